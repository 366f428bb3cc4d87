"""From the files of a study to views that the experts can read, and what cannot be read."""

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
"""(path, reason) of an unreadable radiograph."""


def read_view(ref: ImageRef, spec: InputSpec) -> PreparedImage | Skipped:
    """The view at `ref`, prepared; or why it cannot be read.

    Whatever fails costs this image alone: also memory that a large one takes, and a defect.
    """
    try:
        radiograph = read_radiograph(ref.path)
        return PreparedImage.of(ref, radiograph, spec, partial(read_radiograph, ref.path))
    except ImageError as error:
        return str(ref.path), str(error)
    except Exception as error:  # one odd file among thousands must not end them all
        return str(ref.path), f"{ref.path}: {message_of(error)}"


def read_views(
    study: Study, spec: InputSpec
) -> tuple[tuple[PreparedImage, ...], tuple[Skipped, ...]]:
    """The readable views of `study` and the others. Raises ImageError where none is readable."""
    read = [read_view(ref, spec) for ref in study.images]
    views = tuple(r for r in read if isinstance(r, PreparedImage))
    skipped = tuple(r for r in read if not isinstance(r, PreparedImage))
    if not views:
        raise nothing_readable(study, skipped)
    return views, skipped


def study_of(radiographs: Sequence[Radiograph], body_part: BodyPart | None) -> Study:
    """Radiographs that were read already, as one study without a name.

    body_part: None for what they themselves say, if they agree.
    """
    message = {r.body_part for r in radiographs}
    part = body_part or (message.pop() if len(message) == 1 else None)
    refs = tuple(ImageRef(Path(r.source), r.view, r.laterality) for r in radiographs)
    return Study("", "", part, refs, remarks=region_remarks(r.other_region for r in radiographs))


def views_of(
    refs: Sequence[ImageRef], radiographs: Sequence[Radiograph], spec: InputSpec
) -> list[PreparedImage]:
    """The views of radiographs that were read already."""
    return [
        PreparedImage.of(ref, radiograph, spec, partial(replace, radiograph))
        for ref, radiograph in zip(refs, radiographs, strict=True)
    ]


def nothing_readable(study: Study, skipped: Sequence[Skipped]) -> ImageError:
    """The error of a study without a readable view."""
    reasons = "; ".join(reason for _, reason in skipped)
    return ImageError(f"study {study.key}: no readable radiograph: {reasons}")


def too_large(study: Study, error: MemoryError) -> ImageError:
    """The error of a study whose images take more memory than there is."""
    return ImageError(f"study {study.key}: {message_of(error)}")
