"""Three metrics of how well a heat map localises a finding, each with its chance level.

A heat map has shape (H, W), in logit units over the source image. A mask has shape (H, W), nonzero
inside a finding; `box_mask` makes one of boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ulna.errors import ConfigError
from ulna.metrics.inputs import Flags, Floats

POINTING_TOLERANCE = 0.03
_CHANCE_SIDE = 256


def pointing_tolerance(shape: tuple[int, int]) -> float:
    """Return the tolerance of the pointing game in px, 3 % of the longest side of an image (H, W).

    Zhang et al. 2018 allow 15 px on images of about 500 px, which is the same share.
    """
    return POINTING_TOLERANCE * max(shape)


def box_mask(boxes: Sequence[tuple[float, float, float, float]], shape: tuple[int, int]) -> Flags:
    """Return an (H, W) mask, True in every pixel whose centre lies in a box (x, y, width, height).

    A box thinner than a pixel marks the pixel that contains its centre.
    """
    rows = np.arange(shape[0], dtype=np.float64) + 0.5
    columns = np.arange(shape[1], dtype=np.float64) + 0.5
    mask = np.zeros(shape, dtype=np.bool_)
    for x, y, width, height in boxes:
        inside_y = _between(rows, y, height)
        inside_x = _between(columns, x, width)
        mask |= inside_y[:, None] & inside_x[None, :]
    return mask


def _between(centres: Floats, start: float, length: float) -> Flags:
    inside: Flags = (centres >= start) & (centres <= start + length)
    if not inside.any():
        inside = np.abs(centres - (start + length / 2)) <= 0.5
    return inside


def pointing_game(heat: npt.ArrayLike, mask: npt.ArrayLike, tolerance_px: float) -> float:
    """Return 1 if the map's maximum lies in the mask or within `tolerance_px` of it, else 0.

    Where several pixels share the maximum, the result is the expected value of a random choice
    among them, so a flat map scores exactly the chance level. Source: Zhang et al. 2018, "Top-down
    neural attention by excitation backprop". heat and mask have shape (H, W). Raises ConfigError
    for a mask that is empty, a map of another shape or not finite, and a negative tolerance.
    """
    values, inside = _checked(heat, mask)
    near = _dilated(inside, tolerance_px)
    return float(near[values == values.max()].mean())


def pointing_game_chance(mask: npt.ArrayLike, tolerance_px: float) -> float:
    """Return the pointing game of a random point, the share of the dilated mask, in (0, 1]."""
    return float(_dilated(_checked_mask(mask), tolerance_px).mean())


def energy_inside(heat: npt.ArrayLike, mask: npt.ArrayLike) -> float:
    """Return the share of the map's positive mass that lies in the mask, in [0, 1].

    heat and mask have shape (H, W). A map without any positive value scores 0. Source: Wang et al.
    2020 (energy-based pointing game). Raises ConfigError for a mask that is empty and for a map of
    another shape or not finite.
    """
    values, inside = _checked(heat, mask)
    positive = np.maximum(values, 0)
    total = positive.sum()
    return float(positive[inside].sum() / total) if total > 0 else 0.0


def energy_inside_chance(mask: npt.ArrayLike) -> float:
    """Return `energy_inside` of a flat map, the mask's share of the image, in (0, 1]."""
    return float(_checked_mask(mask).mean())


def map_iou(heat: npt.ArrayLike, mask: npt.ArrayLike, threshold: float) -> float:
    """Return the intersection over union of the mask and the pixels above `threshold`, in [0, 1].

    heat and mask have shape (H, W). The threshold is one number in logit units for all images (the
    bundle's `map_threshold`), never chosen for each image. Raises ConfigError as `energy_inside`.
    """
    values, inside = _checked(heat, mask)
    above = values > threshold
    return float((above & inside).sum() / (above | inside).sum())


def map_iou_chance(heat: npt.ArrayLike, mask: npt.ArrayLike, threshold: float) -> float:
    """Return the mean of `map_iou` over all cyclic shifts of the same region, in [0, 1].

    One correlation computes all shifts exactly. Images longer than 256 px are first reduced by
    taking every k-th pixel.
    """
    values, inside = _checked(heat, mask)
    step = max(1, int(np.ceil(max(inside.shape) / _CHANCE_SIDE)))
    above = (values > threshold)[::step, ::step].astype(np.float64)
    target = inside[::step, ::step].astype(np.float64)
    if above.sum() == 0 or target.sum() == 0:
        return 0.0
    product = np.fft.rfft2(above) * np.conj(np.fft.rfft2(target))
    shared = np.rint(np.fft.irfft2(product, s=above.shape))
    return float((shared / (above.sum() + target.sum() - shared)).mean())


def _dilated(inside: Flags, tolerance_px: float) -> Flags:
    """Return the pixels within `tolerance_px` (Euclidean, centre to centre) of a True pixel."""
    if not np.isfinite(tolerance_px) or tolerance_px < 0:
        raise ConfigError(f"tolerance {tolerance_px} px: expected a number >= 0")
    margin = int(np.ceil(tolerance_px)) + 1
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    # No pixel farther from the mask's bounding box than the tolerance can be near.
    region = (
        slice(max(0, rows[0] - margin), rows[-1] + margin + 1),
        slice(max(0, columns[0] - margin), columns[-1] + margin + 1),
    )
    near = np.zeros_like(inside)
    near[region] = _disc_dilated(inside[region], tolerance_px)
    return near


def _disc_dilated(inside: Flags, radius: float) -> Flags:
    """Dilate by a disc, one row offset after another; each row of the disc is a run of pixels."""
    height, width = inside.shape
    sums = np.pad(np.cumsum(inside, axis=1), ((0, 0), (1, 0)))
    near = np.zeros_like(inside)
    reach = min(int(radius), height - 1)
    for dy in range(-reach, reach + 1):
        half = int(np.sqrt(radius**2 - dy**2))
        right = np.minimum(np.arange(width) + half + 1, width)
        left = np.maximum(np.arange(width) - half, 0)
        run = sums[:, right] > sums[:, left]
        to, of = (slice(dy, None), slice(None, height - dy))
        if dy < 0:
            to, of = (slice(None, dy), slice(-dy, None))
        near[to] |= run[of]
    return near


def _checked_mask(mask: npt.ArrayLike) -> Flags:
    inside: Flags = np.asarray(mask) != 0
    if inside.ndim != 2 or not inside.any():
        raise ConfigError(
            f"mask of shape {inside.shape} with {int(inside.sum())} pixels set: "
            "expected (H, W) with at least one; leave out images without a finding"
        )
    return inside


def _checked(heat: npt.ArrayLike, mask: npt.ArrayLike) -> tuple[Floats, Flags]:
    inside = _checked_mask(mask)
    values = np.asarray(heat, dtype=np.float64)
    if values.shape != inside.shape or not np.isfinite(values).all():
        raise ConfigError(
            f"map of shape {values.shape} for a mask of shape {inside.shape}: "
            "expected the same shape and finite numbers"
        )
    return values, inside
