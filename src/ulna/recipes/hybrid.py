"""ulna train DATA --recipe hybrid --out runs/hybrid

The full-size hybrid for a GPU, of VGG19, DenseNet121, ResNet50 and the in-house `cnn`, and the same
four experts as two cores can train them on phantoms. Expected results: docs/results/,
docs/cascade.md.
"""

from __future__ import annotations

from dataclasses import replace

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, Fusion, InitialWeights, LossWeights, Recipe
from ulna.recipes.demo import demo
from ulna.recipes.demonstration import DEMONSTRATION_CNN
from ulna.types import BodyPart, FindingCategory


def _transferred(name: str) -> ExpertConfig:
    return ExpertConfig(
        name=name,
        encoder=name,
        initial=InitialWeights("imagenet"),
        epochs=20,
        batch_size=32,
        learning_rate=1e-3,
        layer_decay=0.75,
        frozen_epochs=1,
        unfreeze_every=1,
        drop_rate=0.1,
        ema_decay=0.998,
    )


def hybrid() -> Recipe:
    """Return the hybrid of four experts, three of them unfrozen gradually from ImageNet weights."""
    cnn = ExpertConfig(
        name="cnn",
        encoder="cnn",
        neck="attention",
        epochs=40,
        batch_size=32,
        learning_rate=3e-3,
        ema_decay=0.998,
    )
    return Recipe(
        name="hybrid",
        description="VGG19, DenseNet121, ResNet50 and cnn, fused",
        experts=(*(_transferred(n) for n in ("vgg19", "densenet121", "resnet50")), cnn),
        body_parts=tuple(BodyPart),
        categories=tuple(FindingCategory),
        input_spec=InputSpec(size=320),
        loss=LossWeights(map=0.5),
        patience=6,
    )


def prototype() -> Recipe:
    """Return the layout of the original prototype: one expert for each of three body parts."""
    layout = {BodyPart.ELBOW: "cnn", BodyPart.HUMERUS: "densenet121", BodyPart.WRIST: "resnet50"}
    whole = hybrid()
    return replace(
        whole,
        name="prototype",
        description="custom CNN for the elbow, DenseNet121 for the humerus, ResNet50 for the wrist",
        experts=tuple(e for e in whole.experts if e.name in layout.values()),
        body_parts=tuple(layout),
        fusion=Fusion("layout", layout),
    )


def _from_scratch(encoder: str, rate: float, epochs: int, crop: int) -> ExpertConfig:
    return ExpertConfig(
        name=encoder,
        encoder=encoder,
        neck="attention",
        epochs=epochs,
        batch_size=32,
        learning_rate=rate,
        ema_decay=0.99,
        crop_size=crop,
        crop_share=1.0,
        train_encoder_on_whole=False,
        fit_heads=True,
    )


def hybrid_phantoms() -> Recipe:
    """Return the four experts without ImageNet, on crops of phantoms: 1 to 2 hours on two cores."""
    return replace(
        demo(),
        name="hybrid_phantoms",
        description="VGG19, DenseNet121, ResNet50 and cnn on phantoms, two cores",
        experts=(
            replace(DEMONSTRATION_CNN, epochs=16),
            _from_scratch("densenet121", 2e-3, 8, 96),
            _from_scratch("resnet50", 1.5e-3, 8, 96),
            _from_scratch("vgg19", 3e-4, 5, 64),
        ),
        loss=LossWeights(body_part=0.5, finding=0.3, attention=2.0),
        fractions={"train": 0.62, "tune": 0.02, "calibration": 0.36},
        precision="auto",
        minutes=0.0,
        checkpoint_every=40,
    )
