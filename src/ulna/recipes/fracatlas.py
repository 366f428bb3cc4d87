"""ulna crossval fracatlas/table.csv --recipe fracatlas --initial run:TRUNK --out runs/fracatlas

Fracture against none on real films, on two cores, and the two steps that make its trunk:

    ulna phantom runs/cassettes --studies 1750 --seed 20262 --size 448 --film cassette \\
        --parts ELBOW,FOREARM,HAND,HUMERUS,SHOULDER --valid-share 0.05
    ulna train runs/cassettes --recipe cassettes --out runs/trunk-phantom
    ulna train lower_limb.csv --recipe lower_limb --initial run:runs/trunk-phantom --out TRUNK

What to expect: docs/results/real.md.
"""

from __future__ import annotations

from dataclasses import replace

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import Augmentation, ExpertConfig, InitialWeights, LossWeights, Recipe
from ulna.types import BodyPart

# A pixel is about 0.95 mm on a film of 43 cm: what most of FracAtlas was stored at.
_SPEC = InputSpec(size=448, local_contrast=0.2)
# Enlarged beyond that: a window of 96 px then holds half the area, and a fracture more cells.
_ENLARGED = InputSpec(size=640, local_contrast=0.2)
_CHANGES = Augmentation(
    rotation=25, scale=0.25, brightness=0.12, contrast=0.3, gamma=0.3, noise=0.03, invert=0
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


def _cnn(epochs: int, learning_rate: float, hard_every: int) -> ExpertConfig:
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
        trunk_on_whole=False,
        abnormal_share=0.5,
        hard_every=hard_every,
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
        _cnn(epochs=30, learning_rate=3e-3, hard_every=8),
        fit_heads=True,
        initial=InitialWeights("shipped"),
    )
    recipe = _recipe("cassettes", "trunk for real films, on phantom cassettes", expert)
    return replace(recipe, abnormal_means="abnormality")  # phantoms show more than fractures


def lower_limb() -> Recipe:
    """Trunk on films of the lower limb, fracture against none; its heads are not used."""
    expert = _cnn(epochs=40, learning_rate=2.5e-3, hard_every=10)
    return _recipe("lower_limb", "trunk for real films, on films of the lower limb", expert)


def fracatlas_cnn() -> Recipe:
    """Own network; its trunk learns on windows, its heads are fitted on whole films."""
    expert = replace(_cnn(epochs=120, learning_rate=1.5e-3, hard_every=12), fit_heads=True)
    recipe = _recipe("fracatlas_cnn", f"{_USE}, one expert: to compare", expert)
    return replace(recipe, input_spec=_ENLARGED)


def fracatlas() -> Recipe:
    """The expert of `fracatlas_cnn` and one that looks at the same films at three quarters.

    Both see windows of 96 px; those of `cnn_wide` show nearly twice the area.
    """
    (fine,) = fracatlas_cnn().experts
    wide = replace(fine, name="cnn_wide", crop_size=128, input_scale=0.75, epochs=59)
    recipe = replace(_recipe("fracatlas", _USE, fine), experts=(fine, wide))
    return replace(recipe, input_spec=_ENLARGED)
