"""Settings of self-supervised learning: an encoder from radiographs without labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from ulna.config.bounds import Bounds, Count, Minutes, Seed, Share, check_fields
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import (
    Augmentation,
    ExpertConfig,
    InitialWeights,
    Precision,
    Recipe,
)
from ulna.errors import ConfigError

_DEFAULT_CROP = 128
# The cells that are compared must lie in both crops, so crops may not be further apart.
_LARGEST_SHIFT = 0.4


def _default_augmentation() -> Augmentation:
    return Augmentation(
        rotation=20, scale=0.2, brightness=0.15, contrast=0.4, gamma=0.6, noise=0.03, invert=0
    )


@dataclass(frozen=True)
class SelfSupervision:
    """How the encoder of one expert learns without labels (VICRegL, Bardes et al. 2022).

    Attributes:
        name: Name of the expert, as in the recipe that it comes from.
        encoder: Encoder of the expert, as in the recipe.
        initial: Initial weights of the encoder, as in the recipe.
        input_spec: Preprocessing of the images, as in the recipe.
        crop_size: Side in px of the two crops that are taken of each image, a multiple of 32.
        shift: Largest distance between the two crops along each axis, as a share of `crop_size`.
        augmentation: Random changes of each crop. `translation` has no effect, since crops are
            placed at random; `rotation` is at most 25 degrees and `scale` at most 0.2.
        blur: Largest share of a 3 x 3 smoothing that is mixed into a crop.
        global_share: Weight of whole crops in the loss; the rest is the weight of their cells.
        projection: Width of the two projection heads, which are not kept.
        epochs: Passes over the images.
        batch_size: Images per step.
        learning_rate: Peak learning rate.
        weight_decay: Weight decay of AdamW.
        seed: Seed of all random draws, as in the recipe.
        precision: Arithmetic of the training, as in the recipe.
        checkpoint_every: Steps between checkpoints.
        minutes: Limit of wall time in minutes, to which the steps are cut; 0 for no limit.
    """

    name: str
    encoder: str
    initial: InitialWeights = field(default_factory=InitialWeights)
    input_spec: InputSpec = field(default_factory=InputSpec)
    crop_size: Annotated[int, Bounds(32, 2048)] = _DEFAULT_CROP
    shift: Annotated[float, Bounds(0, _LARGEST_SHIFT)] = 0.35
    augmentation: Augmentation = field(default_factory=_default_augmentation)
    blur: Share = 0.3
    global_share: Share = 0.25
    projection: Annotated[int, Bounds(2, 65_536)] = 256
    epochs: Count = 100
    batch_size: Annotated[int, Bounds(2, 65_536)] = 64
    learning_rate: Annotated[float, Bounds(0, 1, above=True)] = 1e-3
    weight_decay: Share = 0.01
    seed: Seed = 0
    precision: Precision = "auto"
    checkpoint_every: Count = 100
    minutes: Minutes = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.crop_size % 32 or self.crop_size > self.input_spec.size:
            raise ConfigError(
                f"crop_size {self.crop_size}: expected a multiple of 32 up to the image's "
                f"{self.input_spec.size} px"
            )
        if self.augmentation.rotation > 25 or self.augmentation.scale > 0.2:
            raise ConfigError(
                f"rotation {self.augmentation.rotation}, scale {self.augmentation.scale}: expected "
                "at most 25 degrees and 0.2, or the two crops share too little"
            )
        # The run's folder is named after the expert, whose own check applies to the name.
        ExpertConfig(self.name, self.encoder, initial=self.initial)


def self_supervision_of(recipe: Recipe, expert: str | None = None) -> SelfSupervision:
    """Return the settings that fit the expert named `expert`, or the only one, of `recipe`.

    Crops have the expert's `crop_size`; without one, 128 px or as much as fits into the image.
    Raises ConfigError for an unknown name, or for no name where the recipe has several experts.
    """
    names = [e.name for e in recipe.experts]
    chosen = expert or (names[0] if len(names) == 1 else "")
    if chosen not in names:
        raise ConfigError(
            f"expert {expert!r} of recipe {recipe.name}: expected one of {', '.join(names)}"
        )
    config = recipe.experts[names.index(chosen)]
    size = recipe.input_spec.size
    return SelfSupervision(
        name=config.name,
        encoder=config.encoder,
        initial=config.initial,
        input_spec=recipe.input_spec,
        crop_size=config.crop_size or min(_DEFAULT_CROP, size // 32 * 32),
        seed=recipe.seed,
        precision=recipe.precision,
    )
