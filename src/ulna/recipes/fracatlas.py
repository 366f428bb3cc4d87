"""ulna crossval table.csv --recipe fracatlas --initial EXPERT=run:ENCODER ... --out runs/fracatlas

Fracture against no fracture on radiographs of patients, on two cores. One expert is the in-house
`cnn`, whose encoder was trained on phantoms and on images of the lower limb before; three are
EfficientNet-Lite0 from ImageNet weights, one of them also trained on the lower limb before.
`scripts/fracatlas.sh` takes all these steps:

    ulna phantom runs/cassettes --studies 1750 --seed 20262 --size 448 --framing plate \\
        --parts ELBOW,FOREARM,HAND,HUMERUS,SHOULDER --valid-share 0.05
    ulna train runs/cassettes --recipe plate_phantoms --out runs/trunk-phantom
    ulna train lower_limb.csv --recipe lower_limb --initial run:runs/trunk-phantom --out ENCODER
    ulna train lower_limb.csv --recipe lower_limb_lite0 --out ENCODER-LITE0

docs/results/real.md has the expected results.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ulna.config.augmentation import Augmentation
from ulna.config.distillation import Distillation
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, Fusion, InitialWeights, LossWeights, Recipe
from ulna.types import BodyPart

# A pixel is about 0.95 mm on a plate of 43 cm: the resolution of most images of FracAtlas.
_SPEC = InputSpec(size=448, local_contrast=0.2)
# Enlarged beyond that: a crop of 96 px then holds half the area, and a fracture more cells.
_ENLARGED = InputSpec(size=640, local_contrast=0.2)
_AUGMENTATION = Augmentation(
    rotation=25, scale=0.25, brightness=0.12, contrast=0.3, gamma=0.3, noise=0.03, invert=0
)
# A wider range of sizes; and, for other hospitals, imitations of what marks their images.
_WIDE_AUGMENTATION = replace(_AUGMENTATION, scale=0.6, brightness=0.15, gamma=0.4)
_PLAIN_AUGMENTATION = Augmentation(
    rotation=20, scale=0.15, brightness=0.0, contrast=0.0, gamma=0.4, noise=0.0, invert=0
)
_OTHER_HOSPITALS = replace(
    _WIDE_AUGMENTATION,
    scale=0.5,
    least_fill=0.85,
    frame=0.15,
    letters=0.15,
    veil=0.1,
    edges=1.0,
    resample=0.4,
    jpeg=0.15,
    tone=0.15,
)
_PARTS = (
    BodyPart.ELBOW,
    BodyPart.FOREARM,
    BodyPart.HAND,
    BodyPart.HUMERUS,
    BodyPart.SHOULDER,
    BodyPart.WRIST,
)
_USE = "fracture against none, FracAtlas, research only"
_LITE0_CHANGES = {"input_spec": _ENLARGED, "precision": "32-true"}
_ALL_TRAIN = {"train": 1.0, "tune": 0.0, "calibration": 0.0}


def _cnn(epochs: int, learning_rate: float, hard_negatives_every: int) -> ExpertConfig:
    return ExpertConfig(
        name="cnn",
        encoder="cnn",
        neck="attention",
        epochs=epochs,
        batch_size=24,
        learning_rate=learning_rate,
        ema_decay=0.998,
        crop_size=96,
        crop_share=1.0,
        train_encoder_on_whole=False,
        abnormal_share=0.5,
        hard_negatives_every=hard_negatives_every,
    )


def _recipe(name: str, description: str, expert: ExpertConfig, **changes: Any) -> Recipe:
    recipe = Recipe(
        name=name,
        description=description,
        experts=(expert,),
        body_parts=_PARTS,
        input_spec=_SPEC,
        augmentation=_AUGMENTATION,
        loss=LossWeights(body_part=0.1, attention=2.0, other_parts=0.8),
        fractions=_ALL_TRAIN,
        abnormal_means="fracture",
    )
    return replace(recipe, **changes)


def plate_phantoms() -> Recipe:
    """Return the recipe of an encoder on phantoms of whole plates.

    Its fitted heads measure what transfers without further training. It starts from the shipped
    encoder, since fractures are large on collimated phantoms and learned there first
    (docs/decisions/021-close-phantoms-first.md).
    """
    expert = replace(
        _cnn(epochs=30, learning_rate=3e-3, hard_negatives_every=8),
        fit_heads=True,
        initial=InitialWeights("shipped"),
    )
    description = "encoder for real images, on phantoms of whole plates"
    # Phantoms show more than fractures.
    return _recipe("plate_phantoms", description, expert, abnormal_means="abnormality")


def lower_limb() -> Recipe:
    """Return the recipe of an encoder on fractures of the lower limb; its heads are not used."""
    expert = _cnn(epochs=40, learning_rate=2.5e-3, hard_negatives_every=10)
    return _recipe("lower_limb", "encoder for real images, on images of the lower limb", expert)


def fracatlas_cnn() -> Recipe:
    """Return the recipe of the in-house `cnn`: encoder on crops, heads fitted on whole images."""
    expert = replace(
        _cnn(epochs=120, learning_rate=1.5e-3, hard_negatives_every=12), fit_heads=True
    )
    description = f"{_USE}, one expert: to compare"
    return _recipe("fracatlas_cnn", description, expert, input_spec=_ENLARGED)


def _lite0(epochs: int, hard_negatives_every: int) -> ExpertConfig:
    """Return an EfficientNet-Lite0 whose stem and first two of seven stages stay frozen.

    Its recipes set single precision, in which processors compute depthwise convolutions faster
    than in bfloat16, even where other layers gain by bfloat16.
    """
    return ExpertConfig(
        name="lite0",
        encoder="tf_efficientnet_lite0",
        neck="attention",
        initial=InitialWeights("imagenet"),
        epochs=epochs,
        batch_size=24,
        frozen_stages=3,
        ema_decay=0.99,
        crop_size=128,
        crop_share=1.0,
        train_encoder_on_whole=False,
        abnormal_share=0.5,
        hard_negatives_every=hard_negatives_every,
    )


def lower_limb_lite0() -> Recipe:
    """Return the recipe of an ImageNet encoder on the lower limb; its heads are not used."""
    return _recipe(
        "lower_limb_lite0",
        "ImageNet encoder, on images of the lower limb",
        _lite0(7, hard_negatives_every=0),
        augmentation=_WIDE_AUGMENTATION,
        **_LITE0_CHANGES,
    )


def fracatlas_lite0() -> Recipe:
    """Return the recipe of an ImageNet encoder on crops, with heads fitted on whole images."""
    expert = replace(
        _lite0(24, hard_negatives_every=8), fit_heads=True, augmentation=_OTHER_HOSPITALS
    )
    return _recipe("fracatlas_lite0", f"{_USE}, from ImageNet", expert, **_LITE0_CHANGES)


def fracatlas_plain() -> Recipe:
    """Return the recipe of the plain baseline: EfficientNet-Lite0 on whole images of 320 px.

    It uses no boxes and trains every weight, with one linear head per body part on the pooled
    features, trained nearly alike (`other_parts`). In the hybrid it adds the whole image to crops.
    """
    expert = ExpertConfig(
        name="lite0_whole",
        encoder="tf_efficientnet_lite0",
        initial=InitialWeights("imagenet"),
        epochs=12,
        batch_size=16,
        input_scale=0.5,
        augmentation=_PLAIN_AUGMENTATION,
    )
    description = f"{_USE}, plain network on whole images"
    return _recipe("fracatlas_plain", description, expert, **_LITE0_CHANGES)


def fracatlas_student() -> Recipe:
    """Return the recipe of the hybrid's student, which learns its answers on whole images.

    `ulna distil --folds runs/fracatlas/folds --initial run:runs/fracatlas/folds` starts each
    fold's student from the expert `lite0` of the same fold. It is trained at 448 px and averages
    over three scales when it answers (docs/decisions/029-student-answers-at-three-scales.md).
    """
    (start,) = fracatlas_lite0().experts
    expert = replace(
        start,
        name="student",
        initial=InitialWeights("imagenet", expert="lite0"),
        epochs=4,
        batch_size=16,
        learning_rate=5e-4,
        crop_size=0,
        crop_share=0.0,
        train_encoder_on_whole=True,
        fit_heads=False,
        abnormal_share=0.0,
        hard_negatives_every=0,
        input_scale=0.7,
        test_scales=(1.25, 1.0, 1.5),
        augmentation=_WIDE_AUGMENTATION,
    )
    return replace(
        _recipe("fracatlas_student", f"{_USE}, one small network taught by the hybrid", expert),
        input_spec=_ENLARGED,
        distillation=Distillation(
            logits=1.0, other_parts=0.8, body_part=0.2, map=0.5, temperature=2.0, hard_labels=0.3
        ),
        fusion=Fusion(calibration="taught"),
        precision="32-true",
    )


def fracatlas() -> Recipe:
    """Return the hybrid of the in-house `cnn` and three EfficientNet-Lite0 from ImageNet.

    `cnn`, `lite0` and `lite0_plain` are trained on crops. `lite0` comes from the lower limb, with
    augmentation for other hospitals, and `lite0_plain` has neither. `lite0_whole` is the network
    of `fracatlas_plain` and uses whole images.
    """
    (cnn,), (transferred,), (whole,) = (
        r.experts for r in (fracatlas_cnn(), fracatlas_lite0(), fracatlas_plain())
    )
    plain = replace(
        _lite0(12, hard_negatives_every=6),
        name="lite0_plain",
        fit_heads=True,
        augmentation=_WIDE_AUGMENTATION,
    )
    return replace(
        _recipe("fracatlas", _USE, cnn),
        experts=(cnn, transferred, plain, whole),
        input_spec=_ENLARGED,
        # Weights fitted to the twenty fractures of a humerus or shoulder rank worse than the mean.
        fusion=Fusion("mean"),
        precision="32-true",
        weights="float16",
    )
