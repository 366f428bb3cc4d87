"""Prepared training images, for the ranges of activations and for the choice of layers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ulna.config.input_spec import InputSpec
from ulna.errors import DatasetError, ImageError, ImageWarning, message_of
from ulna.imaging.read import read_radiograph
from ulna.preprocess import prepare
from ulna.types import Array, BodyPart, Study


@dataclass(frozen=True)
class PreparedImages:
    """Images prepared for a graph: (B, 1, S, S) float32. parts: body parts, None where unknown."""

    pixels: Array
    parts: tuple[BodyPart | None, ...]


def draw_images(studies: Sequence[Study], n: int, spec: InputSpec, seed: int) -> PreparedImages:
    """Draw at most `n` images of the studies at random. Raises DatasetError without any image."""
    images = [(s.body_part, i.path) for s in studies for i in s.images]
    chosen = np.random.default_rng(seed).permutation(len(images))[:n]
    pixels, parts = [], []
    for k in np.sort(chosen):
        part, path = images[k]
        try:
            pixels.append(prepare(read_radiograph(path), spec)[0])
        except (ImageError, MemoryError) as error:
            message = f"left out of the quantisation: {message_of(error)}"
            warnings.warn(message, ImageWarning, stacklevel=2)
            continue
        parts.append(part)
    if not pixels:
        raise DatasetError(
            f"{len(studies)} training studies, none with a readable image: expected the data that "
            "the run was trained on"
        )
    return PreparedImages(np.stack(pixels), tuple(parts))
