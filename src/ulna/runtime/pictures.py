"""Heat maps as files: a folder for each study, a PNG for each view."""

from __future__ import annotations

import io
import re
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ulna.atomic_file import write_atomic
from ulna.digest import lines_sha256
from ulna.errors import IncompleteError, message_of

if TYPE_CHECKING:
    from ulna.types import Array, FindingCategory, ImagePrediction, StudyPrediction

# With number, ending and a temporary one still within the 143 bytes of an encrypted home.
_LONGEST = 110
_DIGITS = 10


def folder_name(prediction: StudyPrediction) -> str:
    """A name for the study's folder: body part, patient, study; safe on any file system."""
    study = prediction.study
    return file_name(f"{prediction.body_part.value}_{study.patient_id}_{study.study_id}")


def file_name(text: str) -> str:
    """`text` as a name that any file system takes.

    One that is too long is cut, and ends in a digest of the whole, so that two that begin alike
    stay two.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._") or "study"
    if len(name) <= _LONGEST:
        return name
    digest = lines_sha256([text])[:_DIGITS]
    return f"{name[: _LONGEST - _DIGITS - 1]}-{digest}"


def new_name(name: str, taken: set[str]) -> str:
    """`name`, numbered if it is in `taken`, where it is put.

    Names that differ in the case of letters alone are one on some file systems.
    """
    numbers = (f"{name}_{i}" for i in count(2))
    chosen = name
    while chosen.lower() in taken:
        chosen = next(numbers)
    taken.add(chosen.lower())
    return chosen


def write_heat_maps(prediction: StudyPrediction, folder: Path, limit: float) -> list[Path]:
    """One PNG per view in `folder`: the image, the map on the fixed scale, outlines.

    Where the answer has maps of findings, another for each category, on the same scale, named
    after it. A refused view has none: its map means nothing. limit: the logit of the last colour,
    from the bundle. Maps that failed their examination, or are of a demonstration, say so on the
    picture. Returns the files, each whole. Raises IncompleteError naming the views whose file could
    not be written, once those of the others are; OSError where the folder cannot be made.
    """
    from ulna.imaging.overlay import cautions

    folder.mkdir(parents=True, exist_ok=True)
    note = cautions(prediction)
    written, failed = [], []
    for number, image in enumerate(prediction.images, 1):
        if image.refusal:
            continue
        stem = f"{number}_{file_name(Path(image.source).stem)}"
        maps = {stem: (image.heat_map, note)}
        for category, heat in image.finding_maps.items():
            reported = _finding_note(prediction, image, category)
            maps[f"{stem}.{category}"] = (heat, f"{reported}\n{note}" if note else reported)
        for name, (heat, message) in maps.items():
            try:
                write_atomic(folder / f"{name}.png", _picture(image, heat, limit, message))
            except Exception as error:  # one view's picture must not cost the others theirs
                failed.append(message_of(error))
                continue
            written.append(folder / f"{name}.png")
    if failed:
        raise IncompleteError("; ".join(dict.fromkeys(failed)))
    return written


def _finding_note(
    prediction: StudyPrediction, image: ImagePrediction, category: FindingCategory
) -> str:
    """'fracture 0.31, threshold 0.40': whose map a picture shows."""
    message = f"{category.replace('_', ' ')} {image.finding_probabilities[category]:.2f}"
    threshold = prediction.finding_thresholds.get(category)
    return (
        f"{message}, not calibrated"
        if threshold is None
        else f"{message}, threshold {threshold:.2f}"
    )


def _picture(image: ImagePrediction, heat_map: Array, limit: float, note: str) -> bytes:
    """The image under `heat_map`; outlines belong to the map of what is abnormal alone."""
    from PIL import Image

    from ulna.imaging import read_radiograph
    from ulna.imaging.overlay import draw_note, draw_outline, draw_overlay

    picture = draw_overlay(read_radiograph(Path(image.source)), heat_map, limit)
    for finding in image.findings if heat_map is image.heat_map else ():
        if finding.outline is not None:
            picture = draw_outline(picture, finding.outline)
    if note:
        picture = draw_note(picture, note)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
