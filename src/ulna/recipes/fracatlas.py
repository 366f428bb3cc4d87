"""ulna train fracatlas/table.csv --recipe fracatlas --out runs/fracatlas

Fracture against none on real films, on two cores: the table has 926 films and no official
split. What to expect: docs/results/fracatlas.md.
"""

from __future__ import annotations

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import Augmentation, ExpertConfig, InitialWeights, LossWeights, Recipe
from ulna.types import BodyPart


def _expert(name: str, encoder: str, initial: InitialWeights) -> ExpertConfig:
    return ExpertConfig(
        name=name,
        encoder=encoder,
        neck="attention",
        initial=initial,
        epochs=60,
        batch_size=32,
        learning_rate=2e-3,
        layer_decay=0.8,
        ema_decay=0.99,
        crop_size=128,
        crop_share=0.9,
        trunk_on_whole=False,
    )


def fracatlas() -> Recipe:
    """Own network from the shipped phantom trunk, timm's smallest ResNet from random weights."""
    return Recipe(
        name="fracatlas",
        description="fracture against none, FracAtlas, small experts",
        experts=(
            _expert("cnn", "cnn", InitialWeights("shipped")),
            _expert("resnet", "test_resnet", InitialWeights("random")),
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
        loss=LossWeights(attention=2.0),
        fractions={"train": 0.56, "tune": 0.08, "calibration": 0.11, "test": 0.25},
    )
