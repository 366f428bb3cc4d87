"""Write review.html: the first of the probable label errors, with images, maps and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ulna import __version__
from ulna.config.meaning import ANY, answer_words
from ulna.errors import UlnaError, message_of
from ulna.evaluation.collect import whole_grid
from ulna.evaluation.rows import ImageRow
from ulna.evaluation.truth import truth_or_fault
from ulna.imaging import read_radiograph
from ulna.labels.label_errors import LabelError
from ulna.report.gallery import Card, data_uri, draw_pair, scale_bar
from ulna.report.render import render_page
from ulna.types import ImagePrediction, ImageRef, StudyPrediction

VIEWS = 4
SIDE = 400


@dataclass(frozen=True)
class MapScale:
    """The fixed scale of a bundle's maps in logits: threshold of outlines, limit of the colours.

    trimmed: whether the bundle removes the borders of images, so that its maps' grids cover the
    rest only.
    """

    threshold: float
    limit: float
    trimmed: bool = False


@dataclass(frozen=True)
class Entry:
    """A study as the page shows it. cards: one for each view. remarks: sentences."""

    label_error: LabelError
    cards: tuple[Card, ...]
    remarks: tuple[str, ...]


def show_label_error(
    label_error: LabelError, prediction: StudyPrediction | None, scale: MapScale | None
) -> Entry:
    """Show the first 4 views of a study, with the maps of `prediction` if given.

    A card's `overlay` is empty where there is neither a map nor a place of the finding from the
    data. Images that cannot be read are named in a remark.
    """
    known = {i.source: i for i in prediction.images} if prediction else {}
    cards, remarks = [], _finding(prediction)
    for number, ref in enumerate(label_error.study.images[:VIEWS], start=1):
        image = known.get(str(ref.path))
        title = ref.view or f"image {number}"
        try:
            card, no_outline = _card(label_error, title, ref, image, scale)
        except (UlnaError, OSError, MemoryError) as error:
            remarks.append(f"{title} cannot be shown: {message_of(error)}")
            continue
        cards.append(card)
        if no_outline:
            remarks.append(f"{title} is shown without its finding's place: {no_outline}")
    more = len(label_error.study.images) - VIEWS
    if more > 0:
        remarks.append(f"{more} more views are not shown here")
    return Entry(label_error, tuple(cards), tuple(remarks))


def _card(
    label_error: LabelError,
    title: str,
    ref: ImageRef,
    image: ImagePrediction | None,
    scale: MapScale | None,
) -> tuple[Card, str]:
    """Return the card, and the reason why the finding's place from the data is not drawn, or ''."""
    if image is None:
        shape = read_radiograph(ref.path).pixels.shape
        row = ImageRow(ref, 0.0, 0.0, (shape[0], shape[1]), np.zeros((1, 1), np.float32))
    else:
        shape = image.heat_map.shape
        grid = whole_grid(image) if scale and scale.trimmed else image.grid
        row = ImageRow(ref, image.probability, image.logit, (shape[0], shape[1]), grid)
    limit = scale.limit if scale else 1.0
    radiograph, overlay = draw_pair(row, bool(label_error.study.abnormal), limit, SIDE)
    plain = image is None and bool((radiograph == overlay).all())
    facts = _map_facts(image, scale)
    alt = f"{label_error.body_part.lower()} {title} of number {label_error.rank}"
    alt += f": {facts[0]}" if facts else ""
    shown = "" if plain else data_uri(overlay)
    card = Card(title, label_error.study.key, data_uri(radiograph), shown, facts, alt)
    return card, truth_or_fault(ref, row.shape)[1] if label_error.study.abnormal else ""


def _map_facts(image: ImagePrediction | None, scale: MapScale | None) -> tuple[str, ...]:
    if image is None or scale is None:
        return ()
    peak, threshold = float(image.heat_map.max()), scale.threshold
    if peak < threshold:
        return (f"map stays below its threshold of {threshold:+.1f} logits",)
    return (f"map up to {peak:+.1f} logits",)


def _finding(prediction: StudyPrediction | None) -> list[str]:
    """Return a remark on the leading finding, if there is one.

    Without calibrated findings it is the most probable one of any view, if at least one half.
    """
    if prediction is None:
        return []
    if prediction.finding_thresholds:
        leading = prediction.leading_finding
        ranked = [] if leading is None else [(prediction.finding_probabilities[leading], leading)]
    else:
        of_images = [i.finding_probabilities for i in prediction.images]
        ranked = [(p, c) for by in of_images for c, p in by.items() if p >= 0.5]
    if not ranked:
        return []
    probability, category = max(ranked)
    return [f"most probable finding: {category.value.replace('_', ' ')} ({probability:.2f})"]


def write_review_page(
    label_errors: Sequence[LabelError],
    entries: Sequence[Entry],
    scale: MapScale | None,
    about: Mapping[str, Any],
    out: Path,
) -> None:
    """Write the page as one file that loads nothing.

    label_errors: the whole list. entries: the studies that are shown. scale: of the maps, None
    without maps. about: `data` and `predictions` (names), `notes` (sentences at the top),
    `phantoms`, `words` (of `answer_words`, where the label is one finding).
    """
    content = {
        "ulna": __version__,
        "entries": entries,
        "n": len(label_errors),
        "n_flagged": sum(s.flagged for s in label_errors),
        "parts": count_by_part(label_errors),
        "scale": scale_bar(scale.limit) if scale else "",
        "maps": scale,
        "words": answer_words(ANY),
        "outlined": any(i.mask or i.findings for e in entries for i in e.label_error.study.images),
        **about,
    }
    render_page("review.html.j2", content, out)


def count_by_part(label_errors: Sequence[LabelError]) -> dict[str, dict[str, int]]:
    """Count by body part: `n`, `n_abnormal` (labels), `flagged_normal`, `flagged_abnormal`."""
    counts: dict[str, dict[str, int]] = {}
    for part in sorted({s.body_part for s in label_errors}):
        own = [s for s in label_errors if s.body_part == part]
        counts[part] = {
            "n": len(own),
            "n_abnormal": sum(s.label == "abnormal" for s in own),
            "flagged_normal": sum(s.flagged and s.label == "normal" for s in own),
            "flagged_abnormal": sum(s.flagged and s.label == "abnormal" for s in own),
        }
    return counts
