"""Write heat maps as files: a folder for each study, a PNG for each view."""

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

# With number, suffix and temporary suffix within the 143 bytes of encrypted file systems.
_LONGEST = 110
_DIGITS = 10


def folder_name(prediction: StudyPrediction) -> str:
    """Return a folder name (body part, patient, study) that is safe on any file system."""
    study = prediction.study
    return file_name(f"{prediction.body_part.value}_{study.patient_id}_{study.study_id}")


def file_name(text: str) -> str:
    """Convert `text` to a file name that is valid on any file system.

    Long names are truncated and end in a digest of the whole text, so that they stay distinct.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._") or "study"
    if len(name) <= _LONGEST:
        return name
    digest = lines_sha256([text])[:_DIGITS]
    return f"{name[: _LONGEST - _DIGITS - 1]}-{digest}"


def new_name(name: str, taken: set[str]) -> str:
    """Return `name`, with a number if it is in `taken`, and add it there.

    Compared without case, since some file systems do so.
    """
    numbers = (f"{name}_{i}" for i in count(2))
    chosen = name
    while chosen.lower() in taken:
        chosen = next(numbers)
    taken.add(chosen.lower())
    return chosen


def write_heat_maps(prediction: StudyPrediction, folder: Path, limit: float) -> list[Path]:
    """Write one PNG per view to `folder`: the image, its heat map on a fixed scale, and outlines.

    Maps of finding categories, if there are any, are written as further files named after them.
    Refused views are omitted. limit: the logit of the last colour, from the bundle. The picture
    states if the heat maps failed `ulna examine` or are of a demonstration. Returns the files, each
    written atomically. Raises IncompleteError with the files that could not be written, after
    writing all others, and OSError if the folder cannot be made.
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
            label = _finding_note(prediction, image, category)
            maps[f"{stem}.{category}"] = (heat, f"{label}\n{note}" if note else label)
        for name, (heat, message) in maps.items():
            try:
                write_atomic(folder / f"{name}.png", _picture(image, heat, limit, message))
            except Exception as error:  # the pictures of other views are still written
                failed.append(message_of(error))
                continue
            written.append(folder / f"{name}.png")
    if failed:
        raise IncompleteError("; ".join(dict.fromkeys(failed)))
    return written


def _finding_note(
    prediction: StudyPrediction, image: ImagePrediction, category: FindingCategory
) -> str:
    """Describe the category of a heat map, such as 'fracture 0.31, threshold 0.40'."""
    note = f"{category.replace('_', ' ')} {image.finding_probabilities[category]:.2f}"
    threshold = prediction.finding_thresholds.get(category)
    return f"{note}, not calibrated" if threshold is None else f"{note}, threshold {threshold:.2f}"


def _picture(image: ImagePrediction, heat_map: Array, limit: float, note: str) -> bytes:
    """Draw `heat_map` over the image; outlines only if it is the map of the abnormal logit."""
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
