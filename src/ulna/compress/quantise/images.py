"""Prepared training images: what the ranges come from, and what the layers are chosen by."""

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
    """pixels: (B, 1, S, S) float32. parts: of each image, None where not known."""

    pixels: Array
    parts: tuple[BodyPart | None, ...]


def draw_images(studies: Sequence[Study], n: int, spec: InputSpec, seed: int) -> PreparedImages:
    """At most `n` images of the studies, drawn at random. Raises DatasetError without any."""
    images = [(s.body_part, i.path) for s in studies for i in s.images]
    chosen = np.random.default_rng(seed).permutation(len(images))[:n]
    pixels, parts = [], []
    for k in np.sort(chosen):
        part, path = images[k]
        try:
            pixels.append(prepare(read_radiograph(path), spec)[0])
        except (ImageError, MemoryError) as error:
            warnings.warn(f"not quantised on: {message_of(error)}", ImageWarning, stacklevel=2)
            continue
        parts.append(part)
    if not pixels:
        raise DatasetError(
            f"{len(studies)} training studies, none with a readable image: expected the data that "
            "the run was trained on"
        )
    return PreparedImages(np.stack(pixels), tuple(parts))
