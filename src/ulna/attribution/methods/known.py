"""Images with ground truth for heat maps: abnormal, with a known place of the finding."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ulna.config.recipe import Recipe
from ulna.datasets.boxes import warn_of_boxes_outside
from ulna.errors import DatasetError, ImageError, ImageWarning, message_of
from ulna.imaging.geometry import Placement
from ulna.imaging.read import read_radiograph
from ulna.metrics.localisation import box_mask
from ulna.preprocess import prepare
from ulna.types import Array, BodyPart, ImageRef, Mask, Radiograph, Study


@dataclass(frozen=True)
class KnownImage:
    """A radiograph (H, W), prepared (1, S, S), the finding's mask (H, W) and body part index."""

    patient_id: str
    radiograph: Radiograph
    prepared: Array
    placement: Placement
    mask: Mask
    part: int


def read_known(studies: Sequence[Study], recipe: Recipe, limit: int) -> list[KnownImage]:
    """Read the images with a known place of at most `limit` abnormal studies, evenly spread.

    A view without any pixel of the finding is left out, and so is, with an ImageWarning, a view
    whose image or mask cannot be read. Raises DatasetError if none is left.
    """
    usable = [
        s
        for s in studies
        if s.abnormal and s.body_part in recipe.body_parts and any(map(_has_truth, s.images))
    ]
    places = np.unique(np.linspace(0, len(usable) - 1, min(limit, len(usable))).astype(int))
    images = [k for i in places for k in _known_images(usable[i], recipe)]
    if not images:
        raise DatasetError(
            f"of {len(studies)} studies none is abnormal, of {', '.join(recipe.body_parts)} and "
            "with masks or boxes: expected at least one; phantoms have masks, a table needs "
            "the column 'boxes'"
        )
    return images


def _has_truth(ref: ImageRef) -> bool:
    return ref.mask is not None or bool(ref.findings)


def _known_images(study: Study, recipe: Recipe) -> list[KnownImage]:
    images = []
    for ref in study.images:
        if study.body_part is None or not _has_truth(ref):
            continue
        try:
            image = _known_image(study.patient_id, ref, recipe, study.body_part)
        except (ImageError, DatasetError, MemoryError) as error:
            warnings.warn(f"left out: {message_of(error)}", ImageWarning, stacklevel=3)
            continue
        if image.mask.any():
            images.append(image)
    return images


def _known_image(patient: str, ref: ImageRef, recipe: Recipe, part: BodyPart) -> KnownImage:
    radiograph = read_radiograph(ref.path)
    mask = _mask(ref, (radiograph.pixels.shape[0], radiograph.pixels.shape[1]))
    prepared, placement = prepare(radiograph, recipe.input_spec)
    index = recipe.body_parts.index(part)
    return KnownImage(patient, radiograph, prepared, placement, mask, index)


def _mask(ref: ImageRef, shape: tuple[int, int]) -> Mask:
    """Return the mask (H, W), from the mask file or else from the boxes."""
    if ref.mask is None:
        warn_of_boxes_outside(ref, shape)
        return box_mask([f.box for f in ref.findings], shape)
    try:
        with Image.open(ref.mask) as image:
            inside: Mask = np.asarray(image.convert("L")) != 0
    except Exception as error:  # decoders of damaged files raise some ten unrelated types
        raise DatasetError(f"{ref.mask}: mask of {ref.path.name} unreadable: {error}") from None
    if inside.shape != shape:
        raise DatasetError(f"{ref.mask}: mask of {inside.shape} px: expected {shape}, as its image")
    return inside
