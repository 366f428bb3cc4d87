"""scripts/box_bundle.sh

The one expert of the bundle that comes with the package: all seven regions on phantoms, its trunk
from the shipped weights, a fixed number of epochs and no clock. What to expect:
docs/results/box.md.
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
    """Ulna's own network on every region that phantoms have."""
    return Recipe(
        name="demonstration",
        description="the bundle in the package: one small expert, phantoms of all regions",
        experts=(OWN,),
        body_parts=tuple(BodyPart),
        categories=tuple(FindingCategory),
        input_spec=InputSpec(size=224),
        # Some 100 studies a region: the heads of the others learn from an image too.
        loss=LossWeights(body_part=0.5, finding=0.3, attention=2.0, other_parts=0.5),
        fractions={"train": 0.72, "tune": 0.0, "calibration": 0.28},
        precision="32-true",
    )
