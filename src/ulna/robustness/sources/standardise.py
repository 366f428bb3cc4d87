"""Controls that remove marks of the source from images: pixel size, letters, sharpness.

Where a score falls under a control, the bundle had used the mark of the hospital, not the bone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ulna.errors import ConfigError
from ulna.imaging.resample import area_taps, linear_taps
from ulna.types import Array, Radiograph

LONGEST = 320
"""Longest side of the resized images in px, that of the sources with the smallest images."""
SHARPNESS = 0.22
"""Upper limit of `sharpness_of` the blurred images, which images of every source reach."""
# Smallest and largest height or width of a plate, as shares of the image's longest side.
_SMALL, _LARGE = 0.012, 0.11
# Grey levels, as shares of the range: the lowest of a plate, the highest median around one.
_BRIGHT, _AROUND = 0.85, 0.55
# Share of its box that a plate covers: at least, with holes filled, and the range without filling,
# since the letter is cut out of the plate.
_FILLED, _SOLID = 0.82, (0.3, 0.97)
_REACH = 3
_STEPS = 12
_BLUREST = 6.0


def at_one_size(radiograph: Radiograph, longest: int = LONGEST) -> Radiograph:
    """Resize the image to `longest` px along its longest side and keep its aspect.

    Reduced by area averaging, enlarged bilinearly. Raises ConfigError below 16 px.
    """
    if longest < 16:
        raise ConfigError(f"longest side {longest} px: expected at least 16")
    shape = radiograph.pixels.shape
    factor = longest / max(shape)
    size = [max(1, round(n * factor)) for n in shape]
    taps = [(area_taps if m < n else linear_taps)(n, m) for n, m in zip(shape, size, strict=True)]
    rows = taps[0].rows(radiograph.pixels)
    pixels = np.ascontiguousarray(taps[1].rows(np.ascontiguousarray(rows.T)).T)
    return replace(radiograph, pixels=np.clip(pixels, 0, 1), spacing=None)


def cover_letters(radiograph: Radiograph) -> Radiograph:
    """Cover the letter plates (`find_letters`) of the image by the median grey around them."""
    boxes = find_letters(radiograph.pixels)
    if not boxes:
        return radiograph
    pixels = radiograph.pixels.copy()
    for box in boxes:
        inner, around = _grown(box, pixels.shape, 1), _grown(box, pixels.shape, _REACH)
        ring = np.ones(pixels[around].shape, np.bool_)
        y, x = inner[0].start - around[0].start, inner[1].start - around[1].start
        h, w = pixels[inner].shape
        ring[y : y + h, x : x + w] = False
        pixels[inner] = np.median(pixels[around][ring]) if ring.any() else 0
    return replace(radiograph, pixels=pixels)


def find_letters(pixels: Array) -> list[tuple[slice, slice]]:
    """Return the boxes (rows, columns) of letter plates in pixels (H, W) in [0, 1].

    A plate is a rectangle that is uniformly bright except for the letter cut out of it, small (1 to
    11 % of the longest side), and much brighter than its surroundings, unlike a screw in a bone.
    Letters without a plate are not detected, since trabecular bone resembles them.
    """
    low, high = np.percentile(pixels, (1, 99.9))
    if high <= low:
        return []
    grey = (pixels - low) / (high - low)
    return [box for box in _components(grey, max(pixels.shape)) if _is_plate(grey, box)]


def _is_plate(grey: Array, box: tuple[slice, slice]) -> bool:
    ring = _ring(grey, box)
    if not ring.size or np.median(ring) > _AROUND or np.quantile(ring, 0.9) > _BRIGHT:
        return False
    inside = grey[box] > _BRIGHT
    filled = float(ndimage.binary_fill_holes(inside).mean())
    return filled >= _FILLED and _SOLID[0] <= float(inside.mean()) <= _SOLID[1]


def _components(grey: Array, side: int) -> list[tuple[slice, slice]]:
    """Return the boxes of connected bright components of a plate's size."""
    labels, _ = ndimage.label(grey > _BRIGHT, structure=np.ones((3, 3)))
    boxes = []
    for box in ndimage.find_objects(labels):
        height, width = (s.stop - s.start for s in box)
        small, large = max(4.0, _SMALL * side), _LARGE * side
        if small <= height <= large and small <= 2 * width and width <= large:
            boxes.append((box[0], box[1]))
    return boxes


def _ring(grey: Array, box: tuple[slice, slice]) -> npt.NDArray[np.floating]:
    """Return the pixels closely around a box, except its own blurred edge."""
    outer, inner = _grown(box, grey.shape, _REACH + 1), _grown(box, grey.shape, 2)
    mask = np.ones(grey[outer].shape, np.bool_)
    y, x = inner[0].start - outer[0].start, inner[1].start - outer[1].start
    h, w = grey[inner].shape
    mask[y : y + h, x : x + w] = False
    return np.asarray(grey[outer][mask])


def _grown(box: tuple[slice, slice], shape: tuple[int, ...], by: int) -> tuple[slice, slice]:
    rows, columns = (
        slice(max(0, s.start - by), min(n, s.stop + by)) for s, n in zip(box, shape, strict=True)
    )
    return rows, columns


def sharpness_of(pixels: Array) -> float:
    """Return the share of fine detail, from 0 (blurred) to 1; 0 for an image without any detail.

    It is the standard deviation of the detail that a Gaussian of 1 px removes, divided by that of
    the detail that a Gaussian of 4 px removes.
    """
    fine = float(np.std(pixels - ndimage.gaussian_filter(pixels, 1.0)))
    coarse = float(np.std(pixels - ndimage.gaussian_filter(pixels, 4.0)))
    return fine / coarse if coarse > 1e-6 else 0.0


def at_one_sharpness(radiograph: Radiograph, sharpness: float = SHARPNESS) -> Radiograph:
    """Blur the image by the Gaussian that reduces it to `sharpness`; it is never made sharper.

    Images must have been brought to one size. Raises ConfigError for a sharpness outside (0, 1].
    """
    if not 0 < sharpness <= 1:
        raise ConfigError(f"sharpness {sharpness}: expected a number above 0 up to 1")
    pixels = radiograph.pixels
    if sharpness_of(pixels) <= sharpness:
        return radiograph
    low, high = 0.0, _BLUREST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        sharp = sharpness_of(ndimage.gaussian_filter(pixels, middle)) > sharpness
        low, high = (middle, high) if sharp else (low, middle)
    return replace(radiograph, pixels=ndimage.gaussian_filter(pixels, high))


def _all(radiograph: Radiograph) -> Radiograph:
    return at_one_sharpness(cover_letters(at_one_size(radiograph)))


def _size_and_sharpness(radiograph: Radiograph) -> Radiograph:
    return at_one_sharpness(at_one_size(radiograph))


Control = Callable[[Radiograph], Radiograph]
CONTROLS: Mapping[str, Control] = {
    "plain": lambda radiograph: radiograph,
    "one_size": partial(at_one_size, longest=LONGEST),
    "no_letters": cover_letters,
    "one_sharpness": _size_and_sharpness,
    "all": _all,
}
"""By name: unchanged, at one size, with letters covered, at one size and sharpness, all three."""
