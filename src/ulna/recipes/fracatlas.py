"""ulna train fracatlas/table.csv --recipe fracatlas --out runs/fracatlas

Fracture against none on real films, on two cores: the table has 926 films and no official
split. What to expect: docs/results/fracatlas.md.
"""

from __future__ import annotations

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import Augmentation, ExpertConfig, LossWeights, Recipe
from ulna.types import BodyPart


def fracatlas() -> Recipe:
    """Own network and timm's smallest ResNet, both from random weights unless told otherwise."""
    return Recipe(
        name="fracatlas",
        description="fracture against none, FracAtlas, small experts",
        experts=(
            ExpertConfig(
                name="cnn",
                encoder="cnn",
                neck="attention",
                epochs=120,
                batch_size=32,
                learning_rate=2e-3,
                ema_decay=0.99,
                crop_size=128,
                crop_share=0.85,
            ),
            ExpertConfig(
                name="resnet",
                encoder="test_resnet",
                neck="attention",
                epochs=60,
                batch_size=32,
                learning_rate=2e-3,
                ema_decay=0.99,
                crop_size=192,
                crop_share=0.7,
            ),
        ),
        body_parts=(
            BodyPart.ELBOW,
            BodyPart.FOREARM,
            BodyPart.HAND,
            BodyPart.HUMERUS,
            BodyPart.SHOULDER,
            BodyPart.WRIST,
        ),
        input_spec=InputSpec(size=320),
        augmentation=Augmentation(rotation=20, scale=0.2, contrast=0.3),
        loss=LossWeights(map=2.0),
        fractions={"train": 0.56, "tune": 0.08, "calibration": 0.11, "test": 0.25},
    )
