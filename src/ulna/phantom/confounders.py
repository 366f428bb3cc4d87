"""Confounders: what varies between images but says nothing about the label.

They are drawn from a random stream of their own, so that a study has the same confounders
whether it is normal or abnormal.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ulna.config.phantom import Confounder
from ulna.phantom.detector import Exposure, draw_exposure
from ulna.phantom.solids import MU_SOFT
from ulna.types import Array, Laterality

_CAST_SHARE, _JEWEL_SHARE, _INVERT_SHARE, _SOFT_SHARE = 0.08, 0.10, 0.06, 0.12


@dataclass(frozen=True)
class Confounders:
    """Confounders of one image.

    coarse: whether resolution is lost. gamma: exponent of the display curve. window: percentiles of
    the attenuation that become black and white. numbers: uniform draws that vary place and size of
    the confounders that are present.
    """

    exposure: Exposure
    collimated: bool
    marker: bool
    cast: bool
    jewellery: bool
    inverted: bool
    coarse: bool
    gamma: float
    window: tuple[float, float]
    numbers: tuple[float, ...]


def draw_confounders(rng: np.random.Generator) -> Confounders:
    """Draw the confounders of one image."""
    return Confounders(
        exposure=draw_exposure(rng),
        collimated=bool(rng.random() < 0.5),
        marker=bool(rng.random() < 0.7),
        cast=bool(rng.random() < _CAST_SHARE),
        jewellery=bool(rng.random() < _JEWEL_SHARE),
        inverted=bool(rng.random() < _INVERT_SHARE),
        coarse=bool(rng.random() < _SOFT_SHARE),
        gamma=float(rng.uniform(0.8, 1.35)),
        window=(float(rng.uniform(0.2, 2.0)), float(rng.uniform(98.5, 99.9))),
        numbers=tuple(float(x) for x in rng.random(16)),
    )


def remove_confounders(confounders: Confounders, left_out: Collection[Confounder]) -> Confounders:
    """Return `confounders` without those named in `left_out`."""
    return replace(
        confounders,
        marker=confounders.marker and "marker" not in left_out,
        cast=confounders.cast and "cast" not in left_out,
        jewellery=confounders.jewellery and "jewellery" not in left_out,
        inverted=confounders.inverted and "inverted" not in left_out,
    )


def extra_attenuation(soft: Array, confounders: Confounders) -> Array:
    """Return the (H, W) attenuation of cast and jewellery around `soft`, (H, W) mm of tissue."""
    extra = np.zeros_like(soft)
    if confounders.cast:
        extra += _cast(soft, confounders.numbers[:4])
    if confounders.jewellery:
        extra += _ring(soft, confounders.numbers[4:8])
    return extra


def _cast(soft: Array, u: tuple[float, ...]) -> Array:
    """Return a woven cast around the limb, dense at the outline, below a random height."""
    height, width = soft.shape
    rim = 0.03 + 0.03 * u[0]
    inside = ndimage.binary_dilation(soft > 1, iterations=max(2, int(rim * height)))
    depth = ndimage.distance_transform_edt(inside).astype(np.float32)
    wall = 4 + 4 * u[1]
    path = wall * (1 + 1.6 * np.exp(-depth / (0.02 * height)))
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    weave = 1 + 0.06 * np.sin(rows * (0.4 + u[2])) * np.sin(columns * (0.5 + u[3]))
    start = u[3] * 0.5 * height
    plaster: Array = (inside * (rows > start) * path * weave * 1.3 * MU_SOFT).astype(np.float32)
    return plaster


def _ring(soft: Array, u: tuple[float, ...]) -> Array:
    """Return a ring or bracelet at a random height of the limb."""
    return band(soft, int((0.1 + 0.8 * u[0]) * (soft.shape[0] - 1)), u)


def band(soft: Array, row: int, u: tuple[float, ...]) -> Array:
    """Return the (H, W) attenuation of an ellipse of thin metal across the limb at `row`."""
    height, width = soft.shape
    columns = np.flatnonzero(soft[row] > 4)
    left, right = (columns[0], columns[-1]) if len(columns) > 8 else (width // 3, 2 * width // 3)
    if u[1] < 0.5:  # a finger ring instead of a bracelet
        left, right = left + 0.3 * (right - left), left + 0.5 * (right - left)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    a, b = max(3.0, (right - left) / 2), max(1.5, 0.14 * (right - left) * (0.4 + u[2]))
    r = np.sqrt(((x - (left + right) / 2) / a) ** 2 + ((y - row) / b) ** 2)
    band = np.exp(-(((r - 1) * min(a, 5 * b) / (0.9 + 0.8 * u[3])) ** 2))
    metal: Array = (1.1 * band).astype(np.float32)
    return metal


def develop(seen: Array, confounders: Confounders, side: Laterality) -> npt.NDArray[np.uint8]:
    """Return the (H, W) uint8 image of the measured attenuation `seen`, with its confounders."""
    low, high = np.percentile(seen[::2, ::2], confounders.window)
    grey = np.clip((seen - low) / max(high - low, 1e-3), 0, 1) ** confounders.gamma
    if confounders.coarse:
        small = ndimage.zoom(grey, 0.6, order=1)
        grey = ndimage.zoom(small, np.array(grey.shape) / np.array(small.shape), order=1)
    if confounders.marker:
        grey = np.maximum(grey, marker(grey.shape, confounders.numbers[8:12], side))
    if confounders.collimated:
        grey = _collimate(grey, confounders.numbers[10:16])
    image = 1 - grey if confounders.inverted else grey
    levels: npt.NDArray[np.uint8] = np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)
    return levels


def marker(shape: tuple[int, ...], u: tuple[float, ...], side: Laterality) -> Array:
    """Return (H, W) the letter of the side, bright on black; u: uniform draws that vary it."""
    height, width = shape
    picture = Image.new("L", (width, height))
    font = ImageFont.load_default(size=max(8, int(height * (0.05 + 0.04 * u[0]))))
    corner = (int((0.04 if u[1] < 0.5 else 0.84) * width), int((0.03 + 0.85 * u[2]) * height))
    level = int(170 + 85 * u[3])
    ImageDraw.Draw(picture).text(corner, side.value, fill=level, font=font)
    levels: Array = np.asarray(picture, np.float32) / np.float32(255)
    return levels


def _collimate(grey: Array, u: tuple[float, ...]) -> Array:
    height, width = grey.shape
    keep = np.zeros_like(grey)
    top, bottom = int(0.06 * u[0] * height), int((1 - 0.06 * u[1]) * height)
    left, right = int(0.08 * u[2] * width), int((1 - 0.08 * u[3]) * width)
    keep[top:bottom, left:right] = 1
    soft_edge = ndimage.gaussian_filter(keep, 0.7)
    level = 0.0 if u[4] < 0.7 else 0.25 * u[5]
    framed: Array = grey * soft_edge + level * (1 - soft_edge)
    return framed
