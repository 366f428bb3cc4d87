"""Settings of learning from radiographs without labels."""

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

_USUAL_WINDOW = 128
# With windows further apart, the cells that are compared would not lie in both.
_LARGEST_SHIFT = 0.4


def _default_changes() -> Augmentation:
    return Augmentation(
        rotation=20, scale=0.2, brightness=0.15, contrast=0.4, gamma=0.6, noise=0.03, invert=0
    )


@dataclass(frozen=True)
class SelfSupervision:
    """How one expert's encoder learns without labels.

    name, encoder, initial, input_spec, seed, precision: as in the recipe they come from.
    crop_size: side of the two windows of an image in px, a multiple of 32. shift: the windows'
    largest distance along each axis, as a share of crop_size. augmentation: of each window
    (translation has no effect: the window's place is drawn already). blur: largest share of a
    3 x 3 smoothing. global_share: weight of whole windows in the loss, the rest goes to cells.
    projection: width of the two projection heads, which are dropped in the end. minutes: of
    wall time, 0 for no limit; steps are then cut to fit. checkpoint_every: in steps.
    """

    name: str
    encoder: str
    initial: InitialWeights = field(default_factory=InitialWeights)
    input_spec: InputSpec = field(default_factory=InputSpec)
    crop_size: Annotated[int, Bounds(32, 2048)] = _USUAL_WINDOW
    shift: Annotated[float, Bounds(0, _LARGEST_SHIFT)] = 0.35
    augmentation: Augmentation = field(default_factory=_default_changes)
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
                "at most 25 degrees and 0.2, or the two windows share too little"
            )
        # The name is a folder's, so what holds for an expert's holds here.
        ExpertConfig(self.name, self.encoder, initial=self.initial)


def self_supervision_of(recipe: Recipe, expert: str | None = None) -> SelfSupervision:
    """The settings that fit the expert called `expert`, or the only one, of `recipe`.

    Windows have the expert's crop_size; where it has none, 128 px or what fits into the image.
    Raises ConfigError for an unknown name, or none where the recipe has several experts.
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
        crop_size=config.crop_size or min(_USUAL_WINDOW, size // 32 * 32),
        seed=recipe.seed,
        precision=recipe.precision,
    )
