"""The gallery of true and false answers: studies chosen by rule, as embedded pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from ulna.errors import UlnaError
from ulna.evaluation.rows import ImageRow, StudyRow
from ulna.evaluation.truth import truth_or_fault
from ulna.imaging import read_radiograph
from ulna.imaging.geometry import Placement
from ulna.imaging.overlay import Picture, draw_mask, draw_overlay
from ulna.types import Radiograph

SIDE = 300
PER_GROUP = 9
_QUALITY = 88


@dataclass(frozen=True)
class Card:
    """One radiograph of the gallery, without and with its heat map.

    image, overlay: data URIs. facts: short lines of text. alt: alternative text of the pictures.
    """

    title: str
    key: str
    image: str
    overlay: str
    facts: tuple[str, ...]
    alt: str


@dataclass(frozen=True)
class Group:
    """Cards of one outcome. total: studies with that outcome. rule: how the cards were chosen."""

    name: str
    rule: str
    total: int
    cards: tuple[Card, ...]


_RULES = (
    ("True positives", True, True, "drawn at random, equally from each body part"),
    ("False negatives", True, False, "lowest probability first, equally from each body part"),
    ("False positives", False, True, "highest probability first, equally from each body part"),
    ("True negatives", False, False, "drawn at random, equally from each body part"),
)


def build_gallery(rows: Sequence[StudyRow], map_limit: float, seed: int = 0) -> list[Group]:
    """Build the four groups. Of each study, the view with the highest probability is shown."""
    groups = []
    for name, abnormal, called, rule in _RULES:
        chosen = [
            r
            for r in rows
            if r.abnormal is abnormal and r.given is not None and r.given.abnormal is called
        ]
        ranked = _ranked(chosen, abnormal == called, called, seed)
        cards = [c for c in (_card(r, map_limit) for r in ranked[:PER_GROUP]) if c is not None]
        groups.append(Group(name, rule, len(chosen), tuple(cards)))
    return groups


def _ranked(rows: Sequence[StudyRow], at_random: bool, highest: bool, seed: int) -> list[StudyRow]:
    """Return the order in which studies are shown, with body parts in turn."""
    if at_random:
        ordered = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    else:
        ordered = sorted(rows, key=_probability, reverse=highest)
    turns: dict[str, int] = {}
    keyed = []
    for row in ordered:
        part = row.part.value if row.part else ""
        turns[part] = turns.get(part, 0) + 1
        keyed.append((turns[part], part, row))
    return [row for _, _, row in sorted(keyed, key=lambda k: k[:2])]


def _probability(row: StudyRow) -> float:
    return row.given.probability if row.given is not None else 0.0


def _card(row: StudyRow, map_limit: float) -> Card | None:
    """Return the card of a study, None if its image cannot be read any more."""
    if row.given is None or not row.images:
        return None
    # A view on which the finding's place is known is preferred.
    image = max(row.images, key=lambda i: (i.location is not None, i.probability))
    try:
        radiograph, overlay = draw_pair(image, bool(row.abnormal), map_limit)
    except (UlnaError, OSError):
        return None
    facts = _facts(row, image)
    title = f"{row.given.body_part.value.lower()} {image.ref.view}".strip()
    alt = f"{title}: {'; '.join(facts)}"
    return Card(title, row.key, data_uri(radiograph), data_uri(overlay), facts, alt)


def draw_pair(
    image: ImageRow, abnormal: bool, map_limit: float, side: int = SIDE
) -> tuple[Picture, Picture]:
    """Draw the image without and with its map and the true outline.

    Both are (h, w, 3) uint8 with the longest side `side` px. The outline is missing where the mask
    cannot be read.
    """
    radiograph = read_radiograph(image.ref.path)
    height, width = radiograph.pixels.shape
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shown = Image.fromarray(radiograph.pixels).resize(size, Image.Resampling.BOX)
    if scale > 1:
        shown = Image.fromarray(radiograph.pixels).resize(size, Image.Resampling.BICUBIC)
    pixels = np.clip(np.asarray(shown, dtype=np.float32), 0, 1)
    small = Radiograph(pixels, str(image.ref.path))
    heat = Placement.fit((size[1], size[0]), side).to_source(image.grid)
    plain = draw_overlay(small, np.zeros_like(heat), map_limit)
    overlay = draw_overlay(small, heat, map_limit)
    mask = truth_or_fault(image.ref, image.shape)[0] if abnormal else None
    if mask is not None:
        reduced = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
        inside = np.asarray(reduced)
        # Two pixels wide, since one is hardly visible on the bright end of the colour scale.
        overlay = draw_mask(draw_mask(overlay, inside), ndimage.binary_dilation(inside))
    return plain, overlay


def _facts(row: StudyRow, image: ImageRow) -> tuple[str, ...]:
    if row.given is None:
        return ()
    facts = [f"study p = {row.given.probability:.2f} (threshold {row.given.threshold:.2f})"]
    if row.given.leading_finding is not None:
        leading = row.given.leading_finding
        stated = row.given.findings[leading]
        facts.append(f"called {leading.replace('_', ' ')} (p = {stated:.2f})")
    if row.categories:
        named = ", ".join(sorted(c.value.replace("_", " ") for c in row.categories))
        facts.append(f"label: {named}")
    cnr = [f.cnr for f in image.ref.findings if f.cnr is not None]
    if image.subtlety is not None:
        measured = f", contrast-to-noise {max(cnr):.1f}" if cnr else ""
        facts.append(f"{image.subtlety.value}{measured}")
    if image.location is not None:
        place = "inside" if image.location.pointing >= 0.5 else "outside"
        facts.append(f"map’s peak {place} the finding, energy inside {image.location.energy:.0%}")
    return tuple(facts)


def scale_bar(map_limit: float) -> str:
    """Return a data URI of the fixed colour scale, 0 to `map_limit`, over mid-grey."""
    heat = np.repeat(np.linspace(0, map_limit, 240, dtype=np.float32)[None], 14, axis=0)
    return data_uri(draw_overlay(Radiograph(np.full_like(heat, 0.4)), heat, map_limit))


def data_uri(picture: Picture) -> str:
    """Return `picture` (H, W, 3) as a JPEG inside a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
