"""Low dose: fewer photons per pixel, and so quantum mottle, mostly in dense parts."""

from __future__ import annotations

import numpy as np

from ulna.types import Array

ATTENUATION = 3.0
"""Line integral that the whole grey range stands for: the brightest pixel transmits exp(-3) of the
open beam, about as much as centimetres of bone at 60 keV."""


def add_quantum_noise(pixels: Array, photons: float, rng: np.random.Generator) -> Array:
    """Expose `pixels` (H, W) in [0, 1], bright = dense, again with `photons` per pixel.

    photons: number in the open beam, > 0. Grey x is taken as the attenuation A x of a detector with
    a logarithmic display (A = ATTENUATION): of photons * exp(-A x) expected ones a Poisson number k
    is counted, and -log(k / photons) / A, clipped to [0, 1], is the new grey. The noise that the
    image already has stays. Beer-Lambert and Poisson statistics as in Barrett and Swindell 1981.
    """
    counts = rng.poisson(photons * np.exp(-ATTENUATION * pixels.astype(np.float64)))
    # A count of 0 would be an infinite attenuation.
    seen = -np.log(np.maximum(counts, 0.5) / photons) / ATTENUATION
    return np.clip(seen, 0, 1).astype(np.float32)
