"""Read the mask of an image's findings, and measure how well a heat map localises them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
from PIL import Image

from ulna.datasets.boxes import warn_of_boxes_outside
from ulna.errors import DatasetError, DatasetWarning
from ulna.evaluation.rows import Location
from ulna.metrics.localisation import (
    box_mask,
    energy_inside,
    energy_inside_chance,
    map_iou,
    map_iou_chance,
    pointing_game,
    pointing_game_chance,
    pointing_tolerance,
)
from ulna.types import Array, ImageRef, Mask, Study


def read_truth(ref: ImageRef, shape: tuple[int, int]) -> Mask | None:
    """Return the (H, W) mask of an image's findings, from its mask file or else its boxes.

    The result is None where neither is known or the mask is empty (a finding outside this view).
    Warns with DatasetWarning of boxes outside the image. Raises DatasetError for a mask file that
    is missing, unreadable or of another size than the image.
    """
    if ref.mask is not None:
        mask = _pixels_of_mask(ref)
        if mask.shape != shape:
            raise DatasetError(_other_size(ref, mask.shape, shape))
    elif ref.findings:
        warn_of_boxes_outside(ref, shape)
        mask = box_mask([f.box for f in ref.findings], shape)
    else:
        return None
    return mask if mask.any() else None


def truth_or_fault(ref: ImageRef, shape: tuple[int, int]) -> tuple[Mask | None, str]:
    """Return the result of `read_truth` and '', or None and why the mask cannot be used.

    A bad mask must not stop callers that have computed answers, which do not depend on it.
    """
    try:
        return read_truth(ref, shape), ""
    except DatasetError as error:
        return None, str(error)


def warn_of_unusable_masks(studies: Iterable[Study]) -> None:
    """Issue a DatasetWarning with the number of masks that cannot be used.

    Masks are checked without full decoding, before a computation of hours that they evaluate.
    """
    refs = [i for s in studies if s.abnormal for i in s.images if i.mask is not None]
    faults = [fault for fault in map(_mask_fault, refs) if fault]
    if faults:
        warnings.warn(
            f"{len(faults)} of {len(refs)} masks cannot be used: the maps of their images will "
            f"not be scored (first: {faults[0]})",
            DatasetWarning,
            stacklevel=2,
        )


def _mask_fault(ref: ImageRef) -> str:
    """Return why the mask cannot be used, judged by its header and checksums, or ''."""
    assert ref.mask is not None
    try:
        with Image.open(ref.mask) as mask:
            height_width = mask.height, mask.width
            mask.verify()  # checks every checksum of a PNG without decoding its pixels
    except Exception:  # decoders of damaged files raise some ten unrelated types
        return _unreadable(ref)
    try:
        with Image.open(ref.path) as image:
            expected = image.height, image.width
    except Exception:  # a DICOM object or a damaged file, which is reported when it is read
        return ""
    return "" if height_width == expected else _other_size(ref, height_width, expected)


def _unreadable(ref: ImageRef) -> str:
    """Return why the mask cannot be decoded, or ''; some files decode despite bad checksums."""
    try:
        _pixels_of_mask(ref)
    except DatasetError as error:
        return str(error)
    return ""


def _other_size(ref: ImageRef, shape: tuple[int, ...], expected: tuple[int, int]) -> str:
    return f"{ref.mask}: mask of {shape} px, its image has {expected}"


def _pixels_of_mask(ref: ImageRef) -> Mask:
    if ref.mask is None:
        raise DatasetError(f"{ref.path}: no mask file is known")
    try:
        with Image.open(ref.mask) as image:
            mask = np.asarray(image).astype(np.bool_)
    except Exception as error:  # decoders of damaged files raise some ten unrelated types
        raise DatasetError(f"{ref.mask}: mask of {ref.path.name} unreadable: {error}") from None
    return np.logical_or.reduce(mask[..., :3], axis=-1) if mask.ndim == 3 else mask


def locate(heat_map: Array, mask: Mask, map_threshold: float) -> Location:
    """Return all localisation measures of an (H, W) map for a mask, with their chance levels."""
    height, width = mask.shape
    tolerance = pointing_tolerance((height, width))
    centre = np.zeros((height, width), dtype=np.float32)
    centre[height // 2, width // 2] = 1
    return Location(
        pointing=pointing_game(heat_map, mask, tolerance),
        pointing_chance=pointing_game_chance(mask, tolerance),
        middle=pointing_game(centre, mask, tolerance),
        energy=energy_inside(heat_map, mask),
        energy_chance=energy_inside_chance(mask),
        iou=map_iou(heat_map, mask, map_threshold),
        iou_chance=map_iou_chance(heat_map, mask, map_threshold),
    )
