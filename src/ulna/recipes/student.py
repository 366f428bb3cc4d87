"""ulna distil BUNDLE DATA --recipe student --initial imagenet --out runs/student

One small network that learns a bundle's answers and heat maps: one pass, less than 8 MB
(docs/student.md). Body parts and categories are the teacher's.
"""

from __future__ import annotations

from ulna.config.augmentation import Augmentation
from ulna.config.distillation import Distillation
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, LossWeights, Recipe
from ulna.types import BodyPart, FindingCategory


def student() -> Recipe:
    """Return the recipe of an EfficientNet-Lite0 on whole images of 384 px.

    Its weights are random unless `--initial` sets others.
    """
    expert = ExpertConfig(
        name="student",
        encoder="tf_efficientnet_lite0",
        epochs=30,
        batch_size=16,
        learning_rate=1e-3,
        weight_decay=0.02,
        drop_rate=0.1,
        ema_decay=0.998,
        unknown_part_share=0.3,
    )
    return Recipe(
        name="student",
        description="one small network that learns a bundle's answers: ulna distil",
        experts=(expert,),
        body_parts=tuple(BodyPart),
        categories=tuple(FindingCategory),
        # The scale of its ImageNet weights: (255 x - 127) / 128.
        input_spec=InputSpec(size=384, mean=0.498, std=0.502),
        augmentation=Augmentation(
            rotation=20, scale=0.25, brightness=0.12, contrast=0.3, noise=0.02, invert=0
        ),
        loss=LossWeights(body_part=0.2, finding=0.2, other_parts=0.5),
        distillation=Distillation(
            logits=1.0, body_part=0.2, finding=0.2, map=0.5, temperature=2.0, hard_labels=0.3
        ),
        fractions={"train": 0.7, "tune": 0.0, "calibration": 0.15, "test": 0.15},
    )
