"""The true place of a finding in one image, and how well a map meets it."""

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
    """(H, W) mask of the image's findings: its mask file, else its boxes; None if unknown.

    None too where the mask is empty (a finding outside this view); DatasetWarning of boxes that
    lie beside the image. Raises DatasetError for a
    mask file that is missing, unreadable or of another size than the image.
    """
    if ref.mask is not None:
        mask = _read_mask(ref, shape)
    elif ref.findings:
        warn_of_boxes_outside(ref, shape)
        mask = box_mask([f.box for f in ref.findings], shape)
    else:
        return None
    return mask if mask.any() else None


def truth_or_fault(ref: ImageRef, shape: tuple[int, int]) -> tuple[Mask | None, str]:
    """What `read_truth` gives, and why a mask cannot be used, or ''.

    For callers that have answers to lose: a mask decides no answer, only where it is looked for.
    """
    try:
        return read_truth(ref, shape), ""
    except DatasetError as error:
        return None, str(error)


def warn_of_unusable_masks(studies: Iterable[Study]) -> None:
    """DatasetWarning that counts the masks that are of no use, as far as is seen without decoding.

    It is asked before hours are spent on what the masks will judge.
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
    """Why the mask cannot be used, as far as its header and checksums tell; ''."""
    assert ref.mask is not None
    try:
        with Image.open(ref.mask) as mask:
            height_width = mask.height, mask.width
            mask.verify()  # of a PNG every checksum, without its pixels
    except Exception:  # decoders of damaged files raise some ten unrelated types
        return _unreadable(ref)
    try:
        with Image.open(ref.path) as image:
            expected = image.height, image.width
    except Exception:  # a DICOM object, or damaged: its reader will say so
        return ""
    return "" if height_width == expected else _other_size(ref, height_width, expected)


def _unreadable(ref: ImageRef) -> str:
    """Decoders forgive some of what checksums do not: '' where the pixels can be had."""
    try:
        _pixels_of_mask(ref)
    except DatasetError as error:
        return str(error)
    return ""


def _other_size(ref: ImageRef, result: tuple[int, ...], expected: tuple[int, int]) -> str:
    return f"{ref.mask}: mask of {result} px, its image has {expected}"


def _read_mask(ref: ImageRef, shape: tuple[int, int]) -> Mask:
    mask = _pixels_of_mask(ref)
    if mask.shape != shape:
        raise DatasetError(_other_size(ref, mask.shape, shape))
    return mask


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
    """All localisation measures of one (H, W) map against one mask, with their chance levels."""
    tolerance = pointing_tolerance((mask.shape[0], mask.shape[1]))
    return Location(
        pointing=pointing_game(heat_map, mask, tolerance),
        pointing_chance=pointing_game_chance(mask, tolerance),
        middle=pointing_game(_middle(mask.shape[0], mask.shape[1]), mask, tolerance),
        energy=energy_inside(heat_map, mask),
        energy_chance=energy_inside_chance(mask),
        iou=map_iou(heat_map, mask, map_threshold),
        iou_chance=map_iou_chance(heat_map, mask, map_threshold),
    )


def _middle(height: int, width: int) -> Array:
    """(height, width) map whose only peak is the image's middle."""
    heat = np.zeros((height, width), dtype=np.float32)
    heat[height // 2, width // 2] = 1
    return heat
