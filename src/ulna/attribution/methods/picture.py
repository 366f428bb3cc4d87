"""A bundle's own maps as pictures: film, map on the fixed scale, outlines."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ulna.config.engine import PORTABLE, EngineSettings
from ulna.imaging.overlay import cautions, draw_note, draw_outline, draw_overlay, draw_scale
from ulna.imaging.read import read_radiograph
from ulna.runtime import Predictor
from ulna.types import ImagePrediction, Radiograph, Study

Picture = npt.NDArray[np.uint8]
_GAP = 6
_SMALLEST_SCALE = 48


def explain_study(
    bundle: Path | str, study: Study, out: Path, engine: EngineSettings = PORTABLE
) -> list[Path]:
    """Write one PNG for each readable view of `study` to the folder `out`; returns the files.

    From left to right: the film, the film with its heat map and the outlines of the findings,
    the colour scale in logits, which is the bundle's and the same for every picture. Raises
    BundleError, ImageError, ConfigError as `Predictor` does.
    """
    predictor = Predictor.load(bundle, engine)
    answer = predictor.predict(study)
    note = cautions(answer)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for number, image in enumerate(answer.images, start=1):
        picture = draw_explanation(
            read_radiograph(Path(image.source)), image, predictor.manifest.fusion.map_limit, note
        )
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(image.source).stem)
        path = out / f"{number}_{stem}.png"
        Image.fromarray(picture).save(path)
        written.append(path)
    return written


def draw_explanation(
    radiograph: Radiograph, image: ImagePrediction, limit: float, note: str = ""
) -> Picture:
    """(H', W', 3) uint8: film, film with map and outlines, scale; limit: logits at its top.

    note: on the map, where there is something to be said of it.
    """
    grey = np.rint(np.clip(radiograph.pixels, 0, 1) * 255).astype(np.uint8)
    film = np.repeat(grey[..., None], 3, axis=2)
    overlay = draw_overlay(radiograph, image.heat_map, limit)
    for finding in image.findings:
        if finding.outline is not None:
            overlay = draw_outline(overlay, finding.outline)
    if note:
        overlay = draw_note(overlay, note)
    scale = draw_scale(limit, max(film.shape[0], _SMALLEST_SCALE))
    return _side_by_side([film, overlay, scale])


def _side_by_side(pictures: list[Picture]) -> Picture:
    height = max(p.shape[0] for p in pictures)
    width = sum(p.shape[1] for p in pictures) + _GAP * (len(pictures) - 1)
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    left = 0
    for picture in pictures:
        canvas[: picture.shape[0], left : left + picture.shape[1]] = picture
        left += picture.shape[1] + _GAP
    return canvas
