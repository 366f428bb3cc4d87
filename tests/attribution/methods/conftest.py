"""Studies on which the place of the finding is known, as fixtures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ulna.types import BodyPart, Finding, ImageRef, Study

SHAPE = (70, 90)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _image(folder: Path, number: int) -> ImageRef:
    """A dark image with a bright square; odd ones have a mask, even ones a box."""
    rng = np.random.default_rng(number)
    pixels = rng.normal(60, 8, SHAPE)
    y, x = int(rng.integers(5, 50)), int(rng.integers(5, 70))
    pixels[y : y + 12, x : x + 12] = 230
    path = folder / f"film{number}.png"
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    if number % 2 == 0:
        return ImageRef(path, findings=(Finding((x, y, 12, 12)),))
    mask = np.zeros(SHAPE, np.uint8)
    mask[y : y + 12, x : x + 12] = 255
    Image.fromarray(mask).save(folder / f"mask{number}.png")
    return ImageRef(path, mask=folder / f"mask{number}.png")


@pytest.fixture(scope="session")
def known_studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    """Six abnormal studies of two views with a known place, and one normal study."""
    folder = tmp_path_factory.mktemp("known")
    refs = [_image(folder, i) for i in range(12)]
    parts = (BodyPart.ELBOW, BodyPart.WRIST)
    studies = [
        Study(f"p{i}", "s", parts[i % 2], tuple(refs[2 * i : 2 * i + 2]), True) for i in range(6)
    ]
    return [*studies, Study("p9", "s", BodyPart.WRIST, (ImageRef(refs[0].path),), False)]
