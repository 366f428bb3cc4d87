"""Pictures unlike each other, and what an index says of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from ulna.datasets import index_paths
from ulna.errors import UlnaWarning
from ulna.types import Study

_grey = count()


def image(path: Path, **options: str) -> Path:
    """A picture unlike all others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number = next(_grey)
    ramp = np.arange(400, dtype=np.uint8).reshape(20, 20)
    ramp[0, :2] = number % 256, number // 256
    Image.fromarray(ramp).save(path, **options)
    return path


def noted(paths: Sequence[Path]) -> tuple[list[Study], str]:
    """The studies, and the one warning or ''."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        studies = index_paths(paths)
    reported = [str(w.message) for w in record if issubclass(w.category, UlnaWarning)]
    assert len(reported) <= 1
    return studies, "".join(reported)


def names(studies: Sequence[Study]) -> list[list[str]]:
    return [[i.path.name for i in s.images] for s in studies]
