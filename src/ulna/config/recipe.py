"""A recipe: the complete frozen description of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ulna.config.augmentation import Augmentation as Augmentation
from ulna.config.bounds import (
    Bounds,
    Count,
    CountOrNone,
    Distinct,
    Minutes,
    Seed,
    Share,
    check_fields,
    recorded,
)
from ulna.config.distillation import Distillation
from ulna.config.input_spec import InputSpec
from ulna.config.meaning import AbnormalMeaning
from ulna.errors import ConfigError
from ulna.types import BodyPart, FindingCategory

InitialKind = Literal["random", "imagenet", "shipped", "file", "run"]
Neck = Literal["plain", "attention"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
Weights = Literal["float32", "float16"]
"""How a graph stores its weights; arithmetic is in float32 either way."""
FusionKind = Literal["fitted", "mean", "layout"]
Calibration = Literal["fitted", "taught"]
OperatingPoint = Literal["sensitive", "balanced", "specificity_0.90", "specific"]
_LONGEST_NAME = 64
_LEAST_DRAWN = 1e-3
DrawnShare = Annotated[float, Bounds(0, 1 - _LEAST_DRAWN)]
BelowOne = Annotated[float, Bounds(0, 1, below=True)]
Weight = Annotated[float, Bounds(0, 1_000)]
Scale = Annotated[float, Bounds(0.25, 4)]


@dataclass(frozen=True)
class InitialWeights:
    """Where an expert's encoder starts.

    kind: 'random'; 'imagenet' (an installed package's of the extra `imagenet`, else fetched by
    timm); 'shipped' (the trunk of Ulna's own `cnn`, learned on phantoms by the recipe `pretrain`);
    'file' (a state dict at `path`); 'run' (the expert of the same name in an earlier Ulna run at
    `path`, or its only expert; of a cross-validation at `path`, fold k's for fold k of another one
    on the same folds, else fold 0's). No kind falls back to another. expert: which one of an
    earlier run's experts; '': that of the same name. `--initial` leaves it as the recipe has it.
    More: docs/weights.md.
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
    """One expert: encoder, neck and how it is trained.

    encoder: 'cnn' (Ulna's own) or any timm model name. neck: what stands between encoder and
    linear heads: 'plain' nothing, 'attention' the grid beside itself weighted by a spatial
    softmax (attention pooling). learning_rate: peak, heads. layer_decay: factor per encoder
    stage from the heads down. frozen_stages: of the encoder's stages, from the input up, those
    that never learn; their batch statistics stay, too (as many as there are, or more: neck and
    heads alone learn). frozen_epochs: heads only; then one more stage is freed every
    `unfreeze_every` epochs, from the top (0: all at once). batch_size in images, over all
    devices. ema_decay: of the running mean of the weights that is kept instead of the last
    ones (0: the last ones). crop_share: of the epochs, from the first, train on windows of
    crop_size px (a multiple of 32) instead of whole images (1: all of them, for a trunk whose
    heads are not used). train_encoder_on_whole: whether the encoder
    still learns in the epochs on whole images that follow, or only neck and heads do. fit_heads:
    in the end the heads are fitted to convergence on the pooled features of the whole training
    images (see `training.heads`).
    abnormal_share: of the images drawn in an epoch, those that are abnormal (0: every image once,
    as they come). unknown_part_share: of the images drawn, those of unknown body part, where
    others are there too; hard places are then looked for, and heads fitted, without them (0: as
    they come). source_balance: of data of several sources, how even draws are: each source comes in
    proportion to (number of its images) ** (1 - source_balance) times its weight, 0 as they come, 1
    all alike; with abnormal_share every source has that share of abnormal ones, so that the source
    tells nothing of the label; `fit_heads` weighs images so, too. hard_negatives_every: epochs
    between searches of the normal images for where they look abnormal; most windows of theirs are
    then aimed there (0: never). test_mirror, test_scales: the exported graph answers by the mean
    over the image, its mirror image and these scales of it (the first sets the map's grid);
    training does not use them. input_scale: side of what the encoder sees over that of the recipe's
    input, so that experts of one recipe can look at different scales; windows are scaled alike.
    augmentation: this expert's own instead of the recipe's. time_share: of the recipe's `minutes`,
    relative to the others.
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
    frozen_stages: CountOrNone = 0
    frozen_epochs: CountOrNone = 0
    unfreeze_every: CountOrNone = 0
    drop_rate: Annotated[float, Bounds(0, 0.99)] = 0.0
    ema_decay: BelowOne = 0.0
    crop_size: Annotated[int, Bounds(0, 2048)] = 0
    crop_share: Share = 0.0
    train_encoder_on_whole: bool = True
    fit_heads: bool = False
    abnormal_share: DrawnShare = 0.0
    unknown_part_share: DrawnShare = 0.0
    source_balance: Share = 0.0
    hard_negatives_every: CountOrNone = 0
    test_mirror: bool = False
    test_scales: Annotated[tuple[Scale, ...], Distinct(1)] = (1.0,)
    input_scale: Scale = 1.0
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
                f"expert {self.name}: crop_share {self.crop_share} of the epochs on windows of "
                "crop_size 0: expected a crop_size, like 160"
            )

    def _check_drawn(self) -> None:
        for name in ("abnormal_share", "unknown_part_share"):
            if 0 < getattr(self, name) < _LEAST_DRAWN:
                raise ConfigError(
                    f"expert {self.name}: {name} {getattr(self, name)}: expected 0 (images as they "
                    f"come) or at least {_LEAST_DRAWN:g}"
                )


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of the training loss; `abnormal` is 1 by definition.

    other_parts: share of an image's abnormal loss that teaches the heads of all body parts and not
    only its own, for data with few studies of a part (1: one head for all). attention, map:
    supervision of the attention (of experts that have it) and of the map by
    masks or boxes, on the images that have them.
    """

    body_part: Weight = 0.3
    finding: Weight = 0.3
    other_parts: Share = 0.0
    attention: Weight = 0.0
    map: Weight = 0.0

    def __post_init__(self) -> None:
        if recorded():
            return
        check_fields(self, "loss")


@dataclass(frozen=True)
class Fusion:
    """How experts become one answer.

    kind: 'fitted' (convex weights per body part, on the calibration part), 'mean' (equal
    weights) or 'layout' (each body part answered by the one expert that `layout` names;
    parts that it does not name get the mean). calibration: 'fitted' (temperature and offset by
    body part, on the calibration part) or 'taught': none of its own, for a student, whose target
    was its teacher's calibrated logit. Thresholds are fitted in either case.
    """

    kind: FusionKind = "fitted"
    layout: dict[BodyPart, str] = field(default_factory=dict)
    calibration: Calibration = "fitted"

    def __post_init__(self) -> None:
        if recorded():
            return
        check_fields(self, "fusion")
        if self.layout and self.kind != "layout":
            raise ConfigError(
                f"fusion {self.kind!r} with a layout of {', '.join(self.layout)}: only the fusion "
                "'layout' reads one"
            )


@dataclass(frozen=True)
class Recipe:
    """A run. fractions: shares of the training side's studies, split by patient: to fit the weights
    ('train'), to stop early ('tune') and to fit fusion, temperature and thresholds
    ('calibration'); the last two may be 0 (folds of a cross-validation). 'test' is for data
    without an official held-out side and takes no part in any of that. patience: epochs
    in which the tune score does not reach its best before stopping, and the best is kept (0: never
    stop, keep the last; so too, with a warning, where the tune part has no score).
    precision: 'auto' is mixed bfloat16 where the device computes it in hardware, else single, or
    what the environment variable ULNA_PRECISION names; the run records which. operating_point:
    the default of the bundle: 'sensitive', 'balanced', 'specificity_0.90' or 'specific'. minutes:
    budget of wall time over all experts, 0 for none; an expert's epochs are then cut to fit its
    share, which makes a run depend on the machine's speed; what it leaves goes to those after it.
    abnormal_means: what the label says: any abnormality, or one finding; of other findings a normal
    study then says nothing. weights: how the exported graphs store them; in 'float16' files are
    half as large, and arithmetic stays in float32 (a student's are float16 in any case).
    """

    name: str
    experts: tuple[ExpertConfig, ...]
    body_parts: Annotated[tuple[BodyPart, ...], Distinct(1)]
    description: str = ""
    categories: Annotated[tuple[FindingCategory, ...], Distinct()] = ()
    abnormal_means: AbnormalMeaning = "abnormality"
    input_spec: InputSpec = field(default_factory=InputSpec)
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: LossWeights = field(default_factory=LossWeights)
    distillation: Distillation = field(default_factory=Distillation)
    fusion: Fusion = field(default_factory=Fusion)
    fractions: dict[str, Share] = field(
        default_factory=lambda: {"train": 0.8, "tune": 0.08, "calibration": 0.12}
    )
    seed: Seed = 0
    precision: Precision = "auto"
    patience: CountOrNone = 0
    checkpoint_every: Count = 100
    operating_point: OperatingPoint = "specificity_0.90"
    minutes: Minutes = 0.0
    weights: Weights = "float32"

    def __post_init__(self) -> None:
        if recorded():
            return
        what = f"recipe {self.name}"
        check_fields(self, what)
        names = [e.name for e in self.experts]
        # Folders and files are named after experts, and some systems do not tell case apart.
        if not names or len({n.lower() for n in names}) != len(names):
            raise ConfigError(f"{what}: experts {names}: expected at least one, distinct names")
        if set(self.fractions) - {"test"} != {"train", "tune", "calibration"}:
            raise ConfigError(
                f"{what}: fractions {self.fractions}: "
                "expected the keys train, tune, calibration and perhaps test"
            )
        if abs(sum(self.fractions.values()) - 1) > 1e-6 or not self.fractions["train"]:
            raise ConfigError(
                f"{what}: fractions {self.fractions}: expected numbers from 0 up with "
                "sum 1, and a 'train' share"
            )
        self._check_layout()
        if self.fusion.calibration == "taught" and not self.distillation.logits:
            raise ConfigError(f"{what}: calibration 'taught' is for distillation.logits above 0")
        for expert in self.experts:
            _check_sizes(expert, self.input_spec.size)

    def _check_layout(self) -> None:
        # A layout may name more body parts: a recipe is cut down to those that the data hold.
        strange = set(self.fusion.layout.values()) - {e.name for e in self.experts}
        if strange:
            raise ConfigError(
                f"recipe {self.name}: layout names unknown expert {sorted(strange)[0]!r}"
            )


def _check_sizes(expert: ExpertConfig, size: int) -> None:
    """Windows fit into the image, and Ulna's own encoder divides its input evenly."""
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
