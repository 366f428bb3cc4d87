"""ulna demo

Two unlike experts on phantoms in minutes on two cores: Ulna's own network at a fine grid and
a MobileNetV3 at a coarse one. What to expect: docs/results/demo.md.
"""

from __future__ import annotations

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, LossWeights, Recipe
from ulna.types import BodyPart, FindingCategory


def demo() -> Recipe:
    """The recipe of `make demo`."""
    return Recipe(
        name="demo",
        description="two small experts, phantoms, two cores",
        experts=(
            ExpertConfig(
                name="cnn",
                encoder="cnn",
                neck="attention",
                epochs=30,
                batch_size=32,
                learning_rate=3e-3,
                ema_decay=0.99,
                time_share=3.0,
            ),
            ExpertConfig(
                name="mobilenet",
                encoder="mobilenetv3_small_050",
                neck="attention",
                epochs=16,
                batch_size=32,
                learning_rate=3e-3,
                ema_decay=0.99,
                time_share=1.0,
            ),
        ),
        body_parts=(BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST),
        categories=tuple(FindingCategory),
        input_spec=InputSpec(size=224),
        loss=LossWeights(body_part=0.3, finding=0.3, map=0.5),
        precision="bf16-mixed",
        minutes=4.0,
    )
