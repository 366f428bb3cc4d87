"""Images without what tells their source: one pixel size, no letters, one sharpness.

Where a score falls under one of these, the bundle had read the hospital there and not the bone.
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
"""Longest side in px to which images are brought: the smaller of the sources at hand have it."""
SHARPNESS = 0.22
"""Share of fine detail that is left at most; see `sharpness_of`. Images of every source have it."""
# A plate or a letter: its height and width, of the image's longest side.
_SMALL, _LARGE = 0.012, 0.11
# Of the image's range: saturated, and what surrounds a letter at most.
_BRIGHT, _AROUND = 0.85, 0.55
# Of its box a plate covers at least this with its holes filled, and so much where the letter is
# cut out of it.
_FILLED, _SOLID = 0.82, (0.3, 0.97)
_REACH = 3
_STEPS = 12
_BLUREST = 6.0


def at_one_size(radiograph: Radiograph, longest: int = LONGEST) -> Radiograph:
    """The image with `longest` px along its longest side, aspect kept.

    Smaller by the mean over each pixel's area, larger bilinear. Raises ConfigError below 16 px.
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
    """The image with its letters' plates covered by what surrounds them.

    Which they are: `find_letters`. Other pixels stay as they are.
    """
    result = find_letters(radiograph.pixels)
    if not result:
        return radiograph
    pixels = radiograph.pixels.copy()
    for box in result:
        inner, around = _grown(box, pixels.shape, 1), _grown(box, pixels.shape, _REACH)
        ring = np.ones(pixels[around].shape, np.bool_)
        y, x = inner[0].start - around[0].start, inner[1].start - around[1].start
        h, w = pixels[inner].shape
        ring[y : y + h, x : x + w] = False
        pixels[inner] = np.median(pixels[around][ring]) if ring.any() else 0
    return replace(radiograph, pixels=pixels)


def find_letters(pixels: Array) -> list[tuple[slice, slice]]:
    """The boxes (rows, columns) of letter plates in (H, W) pixels in [0, 1].

    A plate is a rectangle that is bright and even but for the letter cut out of it, small (1 to
    11 % of the longest side), and much brighter than what surrounds it closely, which a screw in
    a bone is not. Letters without a plate are not looked for: trabecular bone looks like them.
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
    """The boxes of what is bright, connected and of a letter's size."""
    labels, _ = ndimage.label(grey > _BRIGHT, structure=np.ones((3, 3)))
    result = []
    for box in ndimage.find_objects(labels):
        height, width = (s.stop - s.start for s in box)
        small, large = max(4.0, _SMALL * side), _LARGE * side
        if small <= height <= large and small <= 2 * width and width <= large:
            result.append((box[0], box[1]))
    return result


def _ring(grey: Array, box: tuple[slice, slice]) -> npt.NDArray[np.floating]:
    """The pixels just outside of a box, but for its own blurred edge."""
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
    """Share of fine detail: deviation of what a Gaussian of 1 px takes away, over that of what one
    of 4 px takes away. From 0 (blurred) to 1; 0 for an image without any detail."""
    fine = float(np.std(pixels - ndimage.gaussian_filter(pixels, 1.0)))
    coarse = float(np.std(pixels - ndimage.gaussian_filter(pixels, 4.0)))
    return fine / coarse if coarse > 1e-6 else 0.0


def at_one_sharpness(radiograph: Radiograph, sharpness: float = SHARPNESS) -> Radiograph:
    """The image blurred by the Gaussian that brings it down to `sharpness`; never made sharper.

    Images are to be of one size before. Raises ConfigError for a sharpness outside (0, 1].
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
"""By name: as it is, at one pixel size, letters covered, at one size and sharpness, all three."""
