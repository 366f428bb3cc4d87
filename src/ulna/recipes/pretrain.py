"""ulna train PHANTOMS --recipe pretrain --out runs/pretrain

The encoder in the package: the in-house `cnn`, trained on phantoms from random weights.
docs/results/pretrain.md says how the shipped weights were made.
"""

from __future__ import annotations

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, LossWeights, Recipe
from ulna.types import BodyPart, FindingCategory


def pretrain() -> Recipe:
    """Return the recipe of one expert, trained mostly on crops for a fixed number of epochs."""
    cnn = ExpertConfig(
        name="cnn",
        encoder="cnn",
        neck="attention",
        epochs=36,
        batch_size=40,
        learning_rate=4e-3,
        ema_decay=0.998,
        crop_size=96,
        crop_share=0.95,
    )
    return Recipe(
        name="pretrain",
        description="the in-house cnn on phantoms, from random weights",
        experts=(cnn,),
        body_parts=(BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST),
        categories=tuple(FindingCategory),
        input_spec=InputSpec(size=224),
        loss=LossWeights(body_part=0.5, finding=0.3, attention=2.0, map=0.3),
        fractions={"train": 0.96, "tune": 0.02, "calibration": 0.02},
    )
