"""ulna train PHANTOMS --recipe pretrain --out runs/pretrain

The trunk that comes with the package: Ulna's own network, learned on phantoms from random
weights. How the shipped one was made: docs/results/pretrain.md.
"""

from __future__ import annotations

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, LossWeights, Recipe
from ulna.types import BodyPart, FindingCategory


def pretrain() -> Recipe:
    """One expert, most of the time on windows; a fixed number of epochs, no clock."""
    own = ExpertConfig(
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
        description="Ulna's own trunk on phantoms, from random weights",
        experts=(own,),
        body_parts=(BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST),
        categories=tuple(FindingCategory),
        input_spec=InputSpec(size=224),
        loss=LossWeights(body_part=0.5, finding=0.3, attention=2.0, map=0.3),
        fractions={"train": 0.96, "tune": 0.02, "calibration": 0.02},
    )
