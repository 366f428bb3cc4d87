"""Low dose: fewer photons a pixel, so quantum mottle, most of it where the image is dense."""

from __future__ import annotations

import numpy as np

from ulna.types import Array

ATTENUATION = 3.0
"""What the whole grey range stands for, in line integrals: the brightest pixel lets exp(-3) of
the open beam through, about what centimetres of bone do at 60 keV."""


def add_quantum_noise(pixels: Array, photons: float, rng: np.random.Generator) -> Array:
    """`pixels` (H, W) in [0, 1], bright = dense, exposed again with `photons` a pixel.

    photons: in the open beam, > 0. Grey x is taken as the attenuation A x of a detector with a
    logarithmic display (A = ATTENUATION): photons x exp(-A x) are expected, a Poisson number k of
    them is counted and -log(k / photons) / A is shown, cut to [0, 1]. The noise that the image
    holds already stays. Beer-Lambert and Poisson statistics as in Barrett and Swindell 1981.
    """
    counts = rng.poisson(photons * np.exp(-ATTENUATION * pixels.astype(np.float64)))
    # No photon at all would be an infinite attenuation.
    seen = -np.log(np.maximum(counts, 0.5) / photons) / ATTENUATION
    return np.clip(seen, 0, 1).astype(np.float32)
