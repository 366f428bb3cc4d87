"""ulna crossval table.csv --recipe fracatlas --initial EXPERT=run:TRUNK ... --out runs/fracatlas

Fracture against none on real images, on two cores. One expert is Ulna's own network, whose trunk
learned on phantoms and images of the lower limb; three are EfficientNet-Lite0 from ImageNet
weights, one of which learned on those images too. `scripts/fracatlas.sh` takes all the steps:

    ulna phantom runs/cassettes --studies 1750 --seed 20262 --size 448 --framing plate \\
        --parts ELBOW,FOREARM,HAND,HUMERUS,SHOULDER --valid-share 0.05
    ulna train runs/cassettes --recipe cassettes --out runs/trunk-phantom
    ulna train lower_limb.csv --recipe lower_limb --initial run:runs/trunk-phantom --out TRUNK
    ulna train lower_limb.csv --recipe lower_limb_lite0 --out TRUNK-LITE0

What to expect: docs/results/real.md.
"""

from __future__ import annotations

from dataclasses import replace

from ulna.config.augmentation import Augmentation
from ulna.config.distillation import Distillation
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, Fusion, InitialWeights, LossWeights, Recipe
from ulna.types import BodyPart

# A pixel is about 0.95 mm on an image of 43 cm: what most of FracAtlas was stored at.
_SPEC = InputSpec(size=448, local_contrast=0.2)
# Enlarged beyond that: a window of 96 px then holds half the area, and a fracture more cells.
_ENLARGED = InputSpec(size=640, local_contrast=0.2)
_CHANGES = Augmentation(
    rotation=25, scale=0.25, brightness=0.12, contrast=0.3, gamma=0.3, noise=0.03, invert=0
)
# A wider range of sizes; and for experts that are to hold at other hospitals, their images' marks.
_WIDER = replace(_CHANGES, scale=0.6, brightness=0.15, gamma=0.4)
_PLAIN = Augmentation(
    rotation=20, scale=0.15, brightness=0.0, contrast=0.0, gamma=0.4, noise=0.0, invert=0
)
_OUTLIERS = replace(
    _WIDER,
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


def _recipe(name: str, description: str, expert: ExpertConfig) -> Recipe:
    return Recipe(
        name=name,
        description=description,
        experts=(expert,),
        body_parts=_PARTS,
        input_spec=_SPEC,
        augmentation=_CHANGES,
        loss=LossWeights(body_part=0.1, attention=2.0, other_parts=0.8),
        fractions=_ALL_TRAIN,
        abnormal_means="fracture",
    )


def cassettes() -> Recipe:
    """Trunk on phantoms that look like whole cassettes; its heads say what transfers alone.

    It starts from the shipped trunk: fractures are large on close phantoms and learned there first
    (docs/decisions/021-close-phantoms-first.md).
    """
    expert = replace(
        _cnn(epochs=30, learning_rate=3e-3, hard_negatives_every=8),
        fit_heads=True,
        initial=InitialWeights("shipped"),
    )
    recipe = _recipe("cassettes", "trunk for real images, on phantom cassettes", expert)
    return replace(recipe, abnormal_means="abnormality")  # phantoms show more than fractures


def lower_limb() -> Recipe:
    """Trunk on images of the lower limb, fracture against none; its heads are not used."""
    expert = _cnn(epochs=40, learning_rate=2.5e-3, hard_negatives_every=10)
    return _recipe("lower_limb", "trunk for real images, on images of the lower limb", expert)


def fracatlas_cnn() -> Recipe:
    """Own network; its trunk learns on windows, its heads are fitted on whole images."""
    expert = replace(
        _cnn(epochs=120, learning_rate=1.5e-3, hard_negatives_every=12), fit_heads=True
    )
    recipe = _recipe("fracatlas_cnn", f"{_USE}, one expert: to compare", expert)
    return replace(recipe, input_spec=_ENLARGED)


def _lite0(epochs: int, hard_negatives_every: int) -> ExpertConfig:
    """EfficientNet-Lite0: stem and the first two of its seven stages stay as ImageNet left them.

    Its recipes ask for single precision: processors compute its depthwise convolutions faster in
    that than in bfloat16, even where the others gain by it.
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
    """Trunk from ImageNet on images of the lower limb; its heads are not used."""
    recipe = _recipe(
        "lower_limb_lite0",
        "ImageNet trunk, on images of the lower limb",
        _lite0(7, hard_negatives_every=0),
    )
    return replace(
        recipe,
        input_spec=_ENLARGED,
        augmentation=_WIDER,
        precision="32-true",
    )


def fracatlas_lite0() -> Recipe:
    """The one from ImageNet alone, on windows with boxes, its heads fitted on whole images."""
    expert = replace(_lite0(24, hard_negatives_every=8), fit_heads=True, augmentation=_OUTLIERS)
    recipe = _recipe("fracatlas_lite0", f"{_USE}, from ImageNet", expert)
    return replace(recipe, input_spec=_ENLARGED, precision="32-true")


def fracatlas_plain() -> Recipe:
    """The plain peer: EfficientNet-Lite0 from ImageNet on whole images of 320 px, without boxes.

    One linear head a body part on the pooled features, taught nearly alike (`other_parts`); every
    weight learns. As an expert of the hybrid it sees what windows do not: the whole image.
    """
    expert = ExpertConfig(
        name="lite0_whole",
        encoder="tf_efficientnet_lite0",
        initial=InitialWeights("imagenet"),
        epochs=12,
        batch_size=16,
        input_scale=0.5,
        augmentation=_PLAIN,
    )
    recipe = _recipe("fracatlas_plain", f"{_USE}, plain network on whole images", expert)
    return replace(recipe, input_spec=_ENLARGED, precision="32-true")


def fracatlas_student() -> Recipe:
    """The hybrid's student: its expert `lite0` taught on whole images what all experts say of them.

    `ulna distil --folds runs/fracatlas/folds --initial run:runs/fracatlas/folds`: each fold's
    student starts from the expert `lite0` of the same fold. It learns at 448 px and answers at
    three larger and smaller scales (docs/decisions/029-student-answers-at-three-scales.md).
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
        augmentation=_WIDER,
    )
    return replace(
        _recipe("fracatlas_student", f"{_USE}, one small network taught by the hybrid", expert),
        input_spec=_ENLARGED,
        loss=LossWeights(body_part=0.1, attention=2.0, other_parts=0.8),
        distillation=Distillation(
            logits=1.0, other_parts=0.8, body_part=0.2, map=0.5, temperature=2.0, hard_labels=0.3
        ),
        fusion=Fusion(calibration="taught"),
        precision="32-true",
    )


def fracatlas() -> Recipe:
    """Ulna's own network, and EfficientNet-Lite0 from ImageNet in three ways.

    `cnn`, `lite0` and `lite0_plain` learn on windows. `lite0` learned on the lower limb first and
    sees images changed as at other hospitals, `lite0_plain` neither; `lite0_whole` is the plain
    network of `fracatlas_plain` and sees whole images.
    """
    (cnn,), (transferred,), (whole,) = (
        r.experts for r in (fracatlas_cnn(), fracatlas_lite0(), fracatlas_plain())
    )
    plain = replace(
        _lite0(12, hard_negatives_every=6), name="lite0_plain", fit_heads=True, augmentation=_WIDER
    )
    return replace(
        _recipe("fracatlas", _USE, cnn),
        experts=(cnn, transferred, plain, whole),
        input_spec=_ENLARGED,
        # Weights fitted to the twenty fractures of a humerus or shoulder rank worse than none.
        fusion=Fusion("mean"),
        precision="32-true",
        weights="float16",
    )
