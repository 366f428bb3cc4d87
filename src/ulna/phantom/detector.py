"""The detector: from line integrals to what it measures, with scatter, blur and quantum noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ulna.phantom.scene import Projection
from ulna.phantom.solids import MU_SOFT
from ulna.types import Array

_COARSE = 4.0


@dataclass(frozen=True)
class Exposure:
    """Exposure of an image.

    photons: number per pixel in the open beam. scatter: share of the signal that is scattered.
    blur: standard deviation of the blur by focal spot and detector in px.
    """

    photons: float
    scatter: float
    blur: float


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """Draw an exposure of varying quality."""
    return Exposure(
        photons=float(np.exp(rng.uniform(np.log(1500), np.log(9000)))),
        scatter=float(rng.uniform(0.04, 0.22)),
        blur=float(rng.uniform(0.35, 0.75)),
    )


def line_integral(projection: Projection, extra: Array) -> Array:
    """Return the (H, W) total attenuation of bone, soft tissue and `extra` (cast, jewellery)."""
    total: Array = np.maximum(projection.bone + MU_SOFT * projection.soft, 0) + extra
    return total


def expected_signal(attenuation: Array, exposure: Exposure, scatter: Array | None = None) -> Array:
    """Return the (H, W) mean transmitted signal in [0, 1]: Beer-Lambert, scatter and blur.

    scatter: (H, W) scattered signal, if known from a larger field; computed by default.
    """
    primary = np.exp(-attenuation)
    spread = scattered(primary) if scatter is None else scatter
    mixed = (1 - exposure.scatter) * primary + exposure.scatter * spread
    blurred: Array = ndimage.gaussian_filter(mixed, exposure.blur)
    return blurred


def scattered(primary: Array) -> Array:
    """Return the scattered signal: the primary one, blurred by a sixteenth of the field's size."""
    small = primary[::4, ::4]
    wide = ndimage.gaussian_filter(small, max(primary.shape) / 64, mode="nearest")
    zoom = np.array(primary.shape) / np.array(wide.shape)
    grown: Array = ndimage.zoom(wide, zoom, order=1)
    return grown


def expose(signal: Array, exposure: Exposure, rng: np.random.Generator) -> Array:
    """Return the (H, W) measured attenuation, -log of a Poisson count relative to the open beam."""
    counts = rng.poisson(signal * exposure.photons)
    seen: Array = -np.log(np.maximum(counts, 0.5) / exposure.photons).astype(np.float32)
    return seen


def contrast_to_noise(
    with_finding: Array, without: Array, marked: np.ndarray, exposure: Exposure
) -> float:
    """Return the contrast-to-noise ratio (CNR) of a finding.

    It is the root mean square, over the marked pixels, of the change of -log signal in units of
    its quantum noise 1 / sqrt(signal x photons), or 0 if fewer than 4 pixels are marked. The
    Gaussian mean of the change (`_COARSE` px) is subtracted first, since anatomy and exposure hide
    slow changes from readers and networks.
    """
    if int(marked.sum()) < 4:
        return 0.0
    change = np.log(without) - np.log(with_finding)
    change = change - ndimage.gaussian_filter(change, _COARSE, mode="nearest")
    noise = 1 / np.sqrt(without[marked] * exposure.photons)
    return float(np.sqrt(np.mean((change[marked] / noise) ** 2)))
