"""scripts/box_bundle.sh

The expert of the bundle in the package: phantoms of all seven body parts, an encoder from the
shipped weights, a fixed number of epochs and no limit of time. docs/results/box.md has the
expected results.
"""

from __future__ import annotations

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, InitialWeights, LossWeights, Recipe
from ulna.types import BodyPart, FindingCategory

DEMONSTRATION_CNN = ExpertConfig(
    name="cnn",
    encoder="cnn",
    neck="attention",
    initial=InitialWeights("shipped"),
    epochs=22,
    batch_size=64,
    learning_rate=2e-3,
    layer_decay=0.7,
    frozen_epochs=1,
    ema_decay=0.98,
    crop_size=96,
    crop_share=0.7,
    train_encoder_on_whole=False,
)


def demonstration() -> Recipe:
    """Return the recipe of the in-house `cnn` on phantoms of all body parts."""
    return Recipe(
        name="demonstration",
        description="the bundle in the package: one small expert, phantoms of all regions",
        experts=(DEMONSTRATION_CNN,),
        body_parts=tuple(BodyPart),
        categories=tuple(FindingCategory),
        input_spec=InputSpec(size=224),
        # Some 100 studies per body part: an image also trains the heads of the others.
        loss=LossWeights(body_part=0.5, finding=0.3, attention=2.0, other_parts=0.5),
        fractions={"train": 0.72, "tune": 0.0, "calibration": 0.28},
        precision="32-true",
    )
