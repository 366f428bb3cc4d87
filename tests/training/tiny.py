"""Tiny generated studies: abnormal ones hold a bright spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import Augmentation, ExpertConfig, LossWeights, Recipe
from ulna.types import BodyPart, Finding, FindingCategory, ImageRef, Study

PARTS = (BodyPart.ELBOW, BodyPart.WRIST)


def make_studies(folder: Path, n: int = 24, size: int = 64) -> list[Study]:
    """`n` studies of one or two images; the spot's box is known."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    for i in range(n):
        for view in range(1 + i % 2):
            pixels = rng.normal(90, 12, (size, size))
            pixels[:, size // 3 : size // 2] += 60 if i % 2 else 20
            if i % 4 >= 2:
                pixels[24:34, 20 + view : 30 + view] += 90
            path = folder / f"s{i}_{view}.png"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return find_studies(folder, n)


def find_studies(folder: Path, n: int = 24) -> list[Study]:
    """The `n` studies that `make_studies` has written to `folder`."""
    studies = []
    for i in range(n):
        abnormal = i % 4 >= 2
        refs = []
        for view in range(1 + i % 2):
            box = (20.0 + view, 24.0, 10.0, 10.0)
            result = (Finding(box, FindingCategory.FRACTURE),) if abnormal else ()
            refs.append(ImageRef(folder / f"s{i}_{view}.png", findings=result))
        categories = frozenset({FindingCategory.FRACTURE}) if abnormal else frozenset()
        part = PARTS[i % 2]
        studies.append(Study(f"p{i}", "s", part, tuple(refs), abnormal, "", categories))
    return studies


def make_recipe(**changes: object) -> Recipe:
    """A recipe that trains in seconds."""
    values: dict[str, object] = {
        "name": "tiny",
        "experts": (
            ExpertConfig(
                name="cnn",
                encoder="cnn",
                neck="attention",
                epochs=3,
                batch_size=4,
                learning_rate=3e-3,
                drop_rate=0.1,
                ema_decay=0.9,
                frozen_epochs=1,
                unfreeze_every=1,
            ),
        ),
        "body_parts": PARTS,
        "categories": (FindingCategory.FRACTURE,),
        "input_spec": InputSpec(size=64),
        "augmentation": Augmentation(erase=0.2),
        "loss": LossWeights(map=0.3),
        "fractions": {"train": 0.5, "tune": 0.15, "calibration": 0.35},
        "patience": 5,
        "checkpoint_every": 2,
    }
    return Recipe(**{**values, **changes})  # type: ignore[arg-type]
