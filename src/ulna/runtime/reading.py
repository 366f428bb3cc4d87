"""Read the files of a study and prepare them for the experts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ulna.config.input_spec import InputSpec
from ulna.dicom.body_part import region_remarks
from ulna.errors import ImageError, message_of
from ulna.imaging.read import read_radiograph
from ulna.runtime.screen import PreparedImage
from ulna.types import BodyPart, ImageRef, Radiograph, Study

Skipped = tuple[str, str]
"""(path, reason) of an unreadable image."""


def read_view(ref: ImageRef, spec: InputSpec) -> PreparedImage | Skipped:
    """Read and prepare the view at `ref`, or return why it cannot be read.

    Any error affects only this image, including lack of memory and defects.
    """
    try:
        radiograph = read_radiograph(ref.path)
        return PreparedImage.of(ref, radiograph, spec, partial(read_radiograph, ref.path))
    except ImageError as error:
        return str(ref.path), str(error)
    except Exception as error:  # one odd file among thousands must not stop the others
        return str(ref.path), f"{ref.path}: {message_of(error)}"


def read_views(
    study: Study, spec: InputSpec
) -> tuple[tuple[PreparedImage, ...], tuple[Skipped, ...]]:
    """Return the readable and the skipped views. Raises ImageError if none is readable."""
    read = [read_view(ref, spec) for ref in study.images]
    views = tuple(r for r in read if isinstance(r, PreparedImage))
    skipped = tuple(r for r in read if not isinstance(r, PreparedImage))
    if not views:
        raise nothing_readable(study, skipped)
    return views, skipped


def study_of(radiographs: Sequence[Radiograph], body_part: BodyPart | None) -> Study:
    """Make a study without identifiers from radiographs that are already in memory.

    body_part: None to take that of the radiographs if they agree.
    """
    parts = {r.body_part for r in radiographs}
    part = body_part or (parts.pop() if len(parts) == 1 else None)
    refs = tuple(ImageRef(Path(r.source), r.view, r.laterality) for r in radiographs)
    return Study("", "", part, refs, remarks=region_remarks(r.other_region for r in radiographs))


def views_of(
    refs: Sequence[ImageRef], radiographs: Sequence[Radiograph], spec: InputSpec
) -> list[PreparedImage]:
    """Prepare radiographs that are already in memory."""
    return [
        PreparedImage.of(ref, radiograph, spec, partial(replace, radiograph))
        for ref, radiograph in zip(refs, radiographs, strict=True)
    ]


def nothing_readable(study: Study, skipped: Sequence[Skipped]) -> ImageError:
    """Return the error of a study without a readable view."""
    reasons = "; ".join(reason for _, reason in skipped)
    return ImageError(f"study {study.key}: no readable radiograph: {reasons}")


def too_large(study: Study, error: MemoryError) -> ImageError:
    """Return the error of a study for which memory was not enough."""
    return ImageError(f"study {study.key}: {message_of(error)}")
