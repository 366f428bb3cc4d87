"""ulna demo

Two unlike experts on phantoms in minutes on two cores: Ulna's own network at a fine grid, its
trunk from the shipped weights, and timm's smallest ResNet at a coarse one, from nothing. What to
expect, and what learning all from nothing gives in the same time: docs/results/demo.md.
"""

from __future__ import annotations

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, InitialWeights, LossWeights, Recipe
from ulna.types import BodyPart, FindingCategory

OWN = ExpertConfig(
    name="cnn",
    encoder="cnn",
    neck="attention",
    initial=InitialWeights("shipped"),
    epochs=30,
    batch_size=64,
    learning_rate=2e-3,
    layer_decay=0.7,
    frozen_epochs=1,
    ema_decay=0.98,
    crop_size=96,
    crop_share=0.7,
    trunk_on_whole=False,
    time_share=1.0,
)
_COARSE = ExpertConfig(
    name="resnet",
    encoder="test_resnet",
    neck="attention",
    epochs=60,
    batch_size=64,
    learning_rate=5e-3,
    ema_decay=0.98,
    crop_size=64,
    crop_share=0.9,
    trunk_on_whole=False,
    time_share=1.5,
)


def demo() -> Recipe:
    """The recipe of `make demo`."""
    return Recipe(
        name="demo",
        description="two small experts, phantoms, two cores",
        experts=(OWN, _COARSE),
        body_parts=(BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST),
        categories=tuple(FindingCategory),
        input_spec=InputSpec(size=224),
        loss=LossWeights(body_part=0.5, finding=0.3, attention=2.0),
        fractions={"train": 0.74, "tune": 0.02, "calibration": 0.24},
        minutes=5.0,
    )
