"""The suite of corruptions, at five severities that share the random draws of an image."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ulna.corruptions.blur import blur
from ulna.corruptions.crop import crop
from ulna.corruptions.exposure import change_gain, change_gamma, invert
from ulna.corruptions.jpeg import compress_jpeg
from ulna.corruptions.marker import add_marker
from ulna.corruptions.quantum_noise import add_quantum_noise
from ulna.corruptions.rotation import rotate
from ulna.errors import ConfigError
from ulna.types import Array, Radiograph

_Apply = Callable[[Array, float, np.random.Generator, float], Array]
"""(pixels, amount, rng, pitch) -> pixels; pitch: source px per px of the model's input."""


@dataclass(frozen=True)
class Corruption:
    """A corruption of images and its amount at each severity.

    amounts: amount at severity 1, 2, ..., in `unit`. unit: format of an amount, like '{:g} px'.
    meaning: one line that explains the amount. apply: the change of the pixels.
    """

    name: str
    amounts: tuple[float, ...]
    unit: str
    meaning: str
    apply: _Apply

    def amount_text(self, severity: int) -> str:
        """Return the amount with its unit, like '1.5 px' for severity 3 of the blur."""
        return self.unit.format(self.amounts[severity - 1])


def _marker(x: Array, amount: float, rng: np.random.Generator, pitch: float) -> Array:
    letter = "L" if rng.random() < 0.5 else "R"
    return add_marker(x, amount, letter, (bool(rng.random() < 0.5), bool(rng.random() < 0.5)))


_SUITE = (
    Corruption(
        "quantum_noise",
        (3000, 1000, 300, 100, 30),
        "{:g} photons",
        "dose lowered to this many photons in the open beam per pixel of the model's input",
        lambda x, photons, rng, pitch: add_quantum_noise(x, photons / pitch**2, rng),
    ),
    Corruption(
        "blur",
        (0.5, 1, 1.5, 2.5, 4),
        "{:g} px",
        "Gaussian of this standard deviation, in pixels of the model's input",
        lambda x, sigma, rng, pitch: blur(x, sigma * pitch),
    ),
    Corruption(
        "gamma",
        (1.25, 1.5, 2, 2.5, 3.5),
        "γ {:g}",
        "grey levels to the power γ: too dark",
        lambda x, gamma, rng, pitch: change_gamma(x, gamma),
    ),
    Corruption(
        "gain",
        (1.15, 1.35, 1.6, 2, 3),
        "× {:g}",
        "grey levels times this, clipped at white: dense parts saturated",
        lambda x, gain, rng, pitch: change_gain(x, gain),
    ),
    Corruption(
        "jpeg",
        (75, 50, 30, 15, 5),
        "quality {:g}",
        "8-bit JPEG of this quality, at the image's own size",
        lambda x, quality, rng, pitch: compress_jpeg(x, round(quality)),
    ),
    Corruption(
        "rotation",
        (5, 10, 15, 25, 40),
        "{:g}°",
        "rotated about the middle, in a direction drawn for each image",
        lambda x, angle, rng, pitch: rotate(x, angle if rng.random() < 0.5 else -angle),
    ),
    Corruption(
        "crop",
        (0.05, 0.1, 0.2, 0.3, 0.4),
        "{:.0%} of each side",
        "this share of each side cut off, at a place drawn for each image; findings may be lost",
        lambda x, share, rng, pitch: crop(x, share, (rng.random(), rng.random())),
    ),
    Corruption(
        "inversion",
        (1,),
        "inverted",
        "dark and bright exchanged; there is only one severity of it",
        lambda x, amount, rng, pitch: invert(x),
    ),
    Corruption(
        "marker",
        (0.06, 0.1, 0.15, 0.2, 0.3),
        "{:.0%} high",
        "a white L or R of this share of the longest side, in a corner drawn for each image",
        _marker,
    ),
)
CORRUPTIONS: Mapping[str, Corruption] = {c.name: c for c in _SUITE}


def suite_rows() -> list[tuple[str, str, str]]:
    """Return (name, amounts of all severities, meaning) of every corruption, as text."""
    return [
        (c.name, ", ".join(c.amount_text(i + 1) for i in range(len(c.amounts))), c.meaning)
        for c in _SUITE
    ]


def corrupted(
    radiograph: Radiograph, name: str, severity: int, input_size: int, key: str, seed: int = 0
) -> Radiograph:
    """Apply the corruption `name` at `severity` to `radiograph`; severity 0 returns it unchanged.

    input_size: side of the model's input in px, the unit of some amounts. key: the image's key in
    its data set. Random draws (side, corner, place, photons) depend on seed, name and key but not
    on the severity, so that the severities of an image differ in the amount alone. Raises
    ConfigError for an unknown name or severity.
    """
    if name not in CORRUPTIONS:
        raise ConfigError(f"corruption {name!r}: expected one of {', '.join(CORRUPTIONS)}")
    corruption = CORRUPTIONS[name]
    if not 0 <= severity <= len(corruption.amounts):
        raise ConfigError(f"{name} of severity {severity}: expected 0 to {len(corruption.amounts)}")
    if severity == 0:
        return radiograph
    words = (name.encode(), key.encode(errors="surrogateescape"))
    rng = np.random.default_rng(np.random.SeedSequence([seed, *map(zlib.crc32, words)]))
    pitch = max(radiograph.pixels.shape) / input_size
    pixels = corruption.apply(radiograph.pixels, corruption.amounts[severity - 1], rng, pitch)
    return replace(radiograph, pixels=pixels)
