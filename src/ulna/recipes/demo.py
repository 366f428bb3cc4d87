"""ulna demo

Two experts by transfer learning on phantoms, in minutes on two cores: the in-house `cnn` with a
fine grid, from the shipped weights, and EfficientNet-Lite0 from ImageNet weights (extra
`imagenet`), whose input is enlarged. docs/results/demo.md has the expected results, and those of
training from random weights in the same time.
"""

from __future__ import annotations

from dataclasses import replace

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, InitialWeights, LossWeights, Recipe
from ulna.recipes.demonstration import DEMONSTRATION_CNN
from ulna.types import BodyPart, FindingCategory

_CNN = replace(DEMONSTRATION_CNN, epochs=30, crop_share=1.0, fit_heads=True, hard_negatives_every=6)
_LITE0 = ExpertConfig(
    name="lite0",
    encoder="tf_efficientnet_lite0",
    neck="attention",
    initial=InitialWeights("imagenet"),
    epochs=18,
    batch_size=32,
    frozen_stages=3,
    ema_decay=0.99,
    crop_size=96,
    crop_share=1.0,
    train_encoder_on_whole=False,
    fit_heads=True,
    hard_negatives_every=6,
    input_scale=4 / 3,
    time_share=3.0,
)


def demo() -> Recipe:
    """Return the recipe of `make demo`.

    It uses single precision everywhere, so that machines differ in speed alone: bfloat16 would
    speed up `cnn` and slow down `lite0` (docs/decisions/026).
    """
    return Recipe(
        name="demo",
        description="two small experts, one from ImageNet, phantoms, two cores",
        experts=(_CNN, _LITE0),
        body_parts=(BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST),
        categories=tuple(FindingCategory),
        input_spec=InputSpec(size=224),
        loss=LossWeights(body_part=0.5, finding=1.0, attention=2.0),
        fractions={"train": 0.75, "tune": 0.0, "calibration": 0.25},
        precision="32-true",
        minutes=3.5,
    )
