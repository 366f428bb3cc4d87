"""A recipe: the complete frozen description of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from ulna.config.input_spec import InputSpec
from ulna.errors import ConfigError
from ulna.types import BodyPart, FindingCategory

InitialKind = Literal["random", "imagenet", "shipped", "file", "run"]
Neck = Literal["plain", "attention"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
FusionKind = Literal["fitted", "mean", "layout"]


@dataclass(frozen=True)
class InitialWeights:
    """Where an expert's encoder starts.

    kind: 'random'; 'imagenet' (timm's pretrained weights, needs a connection or a filled
    cache); 'shipped' (the trunk of Ulna's own `cnn` that comes with the package, learned on
    phantoms by the recipe `pretrain`); 'file' (a .safetensors or .pth file at `path`); 'run'
    (the expert of the same name in an earlier Ulna run at `path`, or its only expert). There is
    no fallback from one kind to another.
    """

    kind: InitialKind = "random"
    path: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(InitialKind):
            raise ConfigError(
                f"initial weights {self.kind!r}: expected one of {', '.join(get_args(InitialKind))}"
            )
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
    stage from the heads down. frozen_epochs: heads only; then one more stage is freed every
    `unfreeze_every` epochs, from the top (0: all at once). batch_size in images, over all
    devices. ema_decay: of the running mean of the weights that is kept instead of the last
    ones (0: the last ones). crop_share: of the epochs, from the first, train on windows of
    crop_size px (a multiple of 32) instead of whole images (1: all of them, for a trunk whose
    heads are not used). trunk_on_whole: whether the encoder
    still learns in the epochs on whole images that follow, or only neck and heads do. fit_heads:
    in the end the heads are fitted to convergence on the pooled features of the whole training
    images (see `training.heads`).
    abnormal_share: of the images drawn in an epoch, those that are abnormal (0: every image once,
    as they come). unknown_part_share: of the images drawn, those of unknown body part, where
    others are there too; hard places are then looked for, and heads fitted, without them (0: as
    they come). hard_every: epochs between searches of the normal images for where they look
    abnormal; most windows of theirs are then aimed there (0: never). test_mirror, test_scales: the
    exported graph answers by the mean over the film, its mirror image and these scales of it (the
    first sets the map's grid); training does not use them. input_scale: side of what the encoder
    sees over that of the recipe's input, so that experts of one recipe can look at different
    scales; windows are scaled alike. time_share: of the recipe's `minutes`,
    relative to the others.
    """

    name: str
    encoder: str
    neck: Neck = "plain"
    initial: InitialWeights = field(default_factory=InitialWeights)
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    layer_decay: float = 1.0
    frozen_epochs: int = 0
    unfreeze_every: int = 0
    drop_rate: float = 0.0
    ema_decay: float = 0.0
    crop_size: int = 0
    crop_share: float = 0.0
    trunk_on_whole: bool = True
    fit_heads: bool = False
    abnormal_share: float = 0.0
    unknown_part_share: float = 0.0
    hard_every: int = 0
    test_mirror: bool = False
    test_scales: tuple[float, ...] = (1.0,)
    input_scale: float = 1.0
    time_share: float = 1.0

    def __post_init__(self) -> None:
        if not self.name.replace("_", "").replace("-", "").isalnum():
            raise ConfigError(f"expert name {self.name!r}: expected letters, digits, '-' or '_'")
        if self.epochs < 1 or self.batch_size < 2:
            raise ConfigError(
                f"expert {self.name}: epochs {self.epochs} and batch size {self.batch_size}: "
                "expected at least 1 and 2"
            )
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"expert {self.name}: layer decay {self.layer_decay} not in (0, 1]")
        seen = self.crop_size * self.input_scale
        if not 0 <= self.crop_share <= 1 or self.crop_size % 32 or seen % 32:
            raise ConfigError(
                f"expert {self.name}: crop_size {self.crop_size} at input scale "
                f"{self.input_scale}, crop_share {self.crop_share}: expected multiples of 32 px "
                "before and after scaling, and a number from 0 to 1"
            )
        scales = (*self.test_scales, self.input_scale)
        if not self.test_scales or not all(0.25 <= s <= 4 for s in scales):
            raise ConfigError(
                f"expert {self.name}: test scales {self.test_scales}, input scale "
                f"{self.input_scale}: expected numbers from 0.25 to 4"
            )
        for what, share in (
            ("abnormal_share", self.abnormal_share),
            ("unknown_part_share", self.unknown_part_share),
        ):
            if not 0 <= share < 1:
                raise ConfigError(
                    f"expert {self.name}: {what} {share}: expected a number from 0 to below 1"
                )
        if self.neck not in get_args(Neck):
            raise ConfigError(f"expert {self.name}: neck {self.neck!r}: expected plain, attention")


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image; each range is symmetric about no change.

    rotation: degrees; translation, scale: share of the side; brightness, contrast: share of
    the grey range; gamma: log2 units; noise: standard deviation on [0, 1]; invert, flip,
    erase: probabilities.
    """

    rotation: float = 12.0
    translation: float = 0.05
    scale: float = 0.12
    brightness: float = 0.1
    contrast: float = 0.2
    gamma: float = 0.3
    noise: float = 0.01
    invert: float = 0.05
    flip: float = 0.5
    erase: float = 0.0


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of the training loss; `abnormal` is 1 by definition.

    other_parts: share of an image's abnormal loss that teaches the heads of all body parts and not
    only its own, for data with few studies of a part (1: one head for all). attention, map:
    supervision of the attention (of experts that have it) and of the map by
    masks or boxes, on the images that have them.
    """

    body_part: float = 0.3
    finding: float = 0.3
    other_parts: float = 0.0
    attention: float = 0.0
    map: float = 0.0


@dataclass(frozen=True)
class Fusion:
    """How experts become one answer.

    kind: 'fitted' (convex weights per body part, on the calibration part), 'mean' (equal
    weights) or 'layout' (each body part answered by the one expert that `layout` names;
    parts that it does not name get the mean).
    """

    kind: FusionKind = "fitted"
    layout: dict[BodyPart, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A run. fractions: shares of the training side's studies, dealt by patient: to fit the weights
    ('train'), to stop early ('tune') and to fit fusion, temperature and thresholds
    ('calibration'); the last two may be 0 (folds of a cross-validation). 'test' is for data
    without an official held-out side and takes no part in any of that. patience: epochs
    in which the tune score does not reach its best before stopping, and the best is kept (0: never
    stop, keep the last; so too, with a warning, where the tune part has no score).
    precision: 'auto' is mixed bfloat16 where the device computes it in hardware, else single;
    the run records which. operating_point: the default of the bundle: 'sensitive',
    'balanced', 'specificity_0.90' or 'specific'. minutes: budget of wall time over all experts, 0
    for none; an expert's epochs are then cut to fit, which makes a run depend on the machine's
    speed.
    """

    name: str
    experts: tuple[ExpertConfig, ...]
    body_parts: tuple[BodyPart, ...]
    description: str = ""
    categories: tuple[FindingCategory, ...] = ()
    input_spec: InputSpec = field(default_factory=InputSpec)
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: LossWeights = field(default_factory=LossWeights)
    fusion: Fusion = field(default_factory=Fusion)
    fractions: dict[str, float] = field(
        default_factory=lambda: {"train": 0.8, "tune": 0.08, "calibration": 0.12}
    )
    seed: int = 0
    precision: Precision = "auto"
    patience: int = 0
    checkpoint_every: int = 100
    operating_point: str = "specificity_0.90"
    minutes: float = 0.0

    def __post_init__(self) -> None:
        names = [e.name for e in self.experts]
        if not names or len(set(names)) != len(names):
            raise ConfigError(f"recipe {self.name}: experts {names}: expected distinct names")
        if not self.body_parts:
            raise ConfigError(f"recipe {self.name}: no body parts: name at least one")
        if set(self.fractions) - {"test"} != {"train", "tune", "calibration"}:
            raise ConfigError(
                f"recipe {self.name}: fractions {self.fractions}: "
                "expected the keys train, tune, calibration and perhaps test"
            )
        shares = self.fractions.values()
        if abs(sum(shares) - 1) > 1e-6 or min(shares) < 0 or not self.fractions["train"]:
            raise ConfigError(
                f"recipe {self.name}: fractions {self.fractions}: expected numbers from 0 up with "
                "sum 1, and a 'train' share"
            )
        unknown = set(self.fusion.layout.values()) - set(names)
        if unknown:
            raise ConfigError(f"recipe {self.name}: layout names unknown expert {unknown.pop()!r}")
