"""Settings of one expert: its encoder, neck and heads, and how they are trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ulna.config.augmentation import Augmentation
from ulna.config.bounds import Bounds, Count, CountOrZero, Distinct, Share, check_fields, recorded
from ulna.errors import ConfigError

InitialKind = Literal["random", "imagenet", "shipped", "file", "run"]
Neck = Literal["plain", "attention"]
_LONGEST_NAME = 64
_LEAST_DRAWN = 1e-3
_DrawnShare = Annotated[float, Bounds(0, 1 - _LEAST_DRAWN)]
_BelowOne = Annotated[float, Bounds(0, 1, below=True)]
_Scale = Annotated[float, Bounds(0.25, 4)]


@dataclass(frozen=True)
class InitialWeights:
    """Initial weights of an expert's encoder (docs/weights.md); no kind falls back to another.

    Attributes:
        kind: 'random'. 'imagenet': from an installed package of the extra `imagenet`, else fetched
            by timm. 'shipped': the encoder of the in-house `cnn` in the package, trained on
            phantoms by the recipe `pretrain`. 'file': a state dict. 'run': an earlier run of Ulna.
            From a cross-validation, fold k takes its fold k if the folds are the same, else
            its fold 0.
        path: File or folder of the kinds 'file' and 'run'.
        expert: Name of the expert in the earlier run; '' for the same name, or the only expert.
            The option `--initial` does not change it.
    """

    kind: InitialKind = "random"
    path: str = ""
    expert: str = ""

    def __post_init__(self) -> None:
        if recorded():
            return
        check_fields(self, "initial weights")
        if (self.kind in ("file", "run")) != bool(self.path):
            raise ConfigError(
                f"initial weights {self.kind!r} with path {self.path!r}: "
                "'file' and 'run' need a path, the others take none"
            )


@dataclass(frozen=True)
class ExpertConfig:
    """One expert: encoder, neck and heads, and how they are trained.

    Attributes:
        name: 1 to 64 ASCII letters, digits, '-' and '_'; files are named after it.
        encoder: 'cnn' (the in-house network) or the name of any timm model, like 'resnet50'.
        neck: What precedes the linear heads: 'plain' nothing; 'attention' adds to the feature grid
            a copy weighted by a spatial softmax (attention pooling, Ilse et al. 2018).
        initial: Initial weights of the encoder.
        epochs: Passes over the training images.
        batch_size: Images per step, over all devices.
        learning_rate: Peak learning rate of the heads.
        weight_decay: Weight decay of AdamW.
        layer_decay: Factor on the learning rate per encoder stage, from the heads down.
        frozen_stages: Number of encoder stages, from the input up, that are never trained and keep
            their batch statistics; with as many as there are, only neck and heads are trained.
        frozen_epochs: Epochs at the start that train only neck and heads.
        unfreeze_every: Epochs until one more encoder stage is trained, from the top (gradual
            unfreezing, Howard and Ruder 2018); 0 for all at once.
        drop_rate: Probability of dropping a feature channel before the heads.
        ema_decay: Decay of the running mean of the weights, which is kept instead of the last
            weights; 0 keeps the last ones.
        crop_size: Side of training crops in px, a multiple of 32; 0 for none.
        crop_share: Share of the epochs, from the first, that train on crops instead of whole
            images; 1 for all, where the heads are fitted later or not used.
        train_encoder_on_whole: Whether epochs on whole images after those on crops train the
            encoder too, or only neck and heads.
        fit_heads: Whether the heads are fitted to convergence at the end, on the pooled features
            of the whole training images (see `training.heads`).
        abnormal_share: Share of abnormal images among those drawn in an epoch; 0 shows every image
            once.
        unknown_part_share: Share of images of unknown body part among those drawn, if there are
            others; the search for hard negatives and `fit_heads` then leave them out. 0 draws all
            images alike.
        source_balance: How evenly several sources are drawn, also by `fit_heads`: in proportion to
            n ** (1 - source_balance) times the source's weight, for n images. 0 draws in
            proportion to n, 1 all sources alike. With `abnormal_share` every source has that
            share of abnormal images, so that the source says nothing about the label.
        hard_negatives_every: Epochs between searches of normal images for hard negatives, places
            that look abnormal to the expert, on which most of their crops are then centred; 0 for
            never.
        test_mirror: Whether the exported graph averages over the image and its mirror image.
        test_scales: Scales of the image over which the exported graph averages; the first sets the
            grid of the heat map. Training does not use them.
        input_scale: Side of the encoder's input over that of the recipe's input; crops are scaled
            alike. It lets the experts of one recipe work at different scales.
        augmentation: Augmentation of this expert; none for the recipe's.
        time_share: Weight of this expert in the division of the recipe's `minutes`.
    """

    name: str
    encoder: str
    neck: Neck = "plain"
    initial: InitialWeights = field(default_factory=InitialWeights)
    epochs: Count = 20
    batch_size: Annotated[int, Bounds(2, 65_536)] = 32
    learning_rate: Annotated[float, Bounds(0, 1, above=True)] = 1e-3
    weight_decay: Share = 0.02
    layer_decay: Annotated[float, Bounds(0, 1, above=True)] = 1.0
    frozen_stages: CountOrZero = 0
    frozen_epochs: CountOrZero = 0
    unfreeze_every: CountOrZero = 0
    drop_rate: Annotated[float, Bounds(0, 0.99)] = 0.0
    ema_decay: _BelowOne = 0.0
    crop_size: Annotated[int, Bounds(0, 2048)] = 0
    crop_share: Share = 0.0
    train_encoder_on_whole: bool = True
    fit_heads: bool = False
    abnormal_share: _DrawnShare = 0.0
    unknown_part_share: _DrawnShare = 0.0
    source_balance: Share = 0.0
    hard_negatives_every: CountOrZero = 0
    test_mirror: bool = False
    test_scales: Annotated[tuple[_Scale, ...], Distinct(1)] = (1.0,)
    input_scale: _Scale = 1.0
    augmentation: Augmentation | None = None
    time_share: Annotated[float, Bounds(1e-3, 1_000)] = 1.0

    def __post_init__(self) -> None:
        if recorded():
            return
        letters = str(self.name).replace("_", "").replace("-", "")
        if not (letters.isalnum() and letters.isascii() and len(self.name) <= _LONGEST_NAME):
            raise ConfigError(
                f"expert name {self.name!r}: expected 1 to {_LONGEST_NAME} of the letters a to z, "
                "digits, '-' and '_'"
            )
        check_fields(self, f"expert {self.name}")
        seen = self.crop_size * self.input_scale
        if self.crop_size % 32 or seen % 32:
            raise ConfigError(
                f"expert {self.name}: crop_size {self.crop_size} at input scale "
                f"{self.input_scale}: expected multiples of 32 px before and after scaling"
            )
        self._check_drawn()
        if self.crop_share and not self.crop_size:
            raise ConfigError(
                f"expert {self.name}: crop_share {self.crop_share} of the epochs on crops of "
                "crop_size 0: expected a crop_size, like 160"
            )

    def _check_drawn(self) -> None:
        for name in ("abnormal_share", "unknown_part_share"):
            if 0 < getattr(self, name) < _LEAST_DRAWN:
                raise ConfigError(
                    f"expert {self.name}: {name} {getattr(self, name)}: expected 0 (images as they "
                    f"come) or at least {_LEAST_DRAWN:g}"
                )


def check_sizes(expert: ExpertConfig, size: int) -> None:
    """Raise ConfigError where crops exceed the input or the encoder 'cnn' cannot divide it."""
    if expert.crop_size > size:
        raise ConfigError(
            f"expert {expert.name}: crop_size {expert.crop_size}: expected at most the input's "
            f"{size} px"
        )
    if expert.encoder == "cnn" and expert.input_scale == 1 and size % 32:
        raise ConfigError(
            f"expert {expert.name}: input size {size} px: the encoder 'cnn' takes multiples of "
            f"32, like {max(32, round(size / 32) * 32)}"
        )
