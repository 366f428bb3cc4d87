"""A recipe: the complete frozen description of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ulna.config.augmentation import Augmentation as Augmentation
from ulna.config.bounds import (
    Bounds,
    Count,
    CountOrZero,
    Distinct,
    Minutes,
    Seed,
    Share,
    check_fields,
    recorded,
)
from ulna.config.distillation import Distillation
from ulna.config.expert import ExpertConfig as ExpertConfig
from ulna.config.expert import InitialKind as InitialKind
from ulna.config.expert import InitialWeights as InitialWeights
from ulna.config.expert import Neck as Neck
from ulna.config.expert import check_sizes
from ulna.config.input_spec import InputSpec
from ulna.config.meaning import AbnormalMeaning
from ulna.errors import ConfigError
from ulna.types import BodyPart, FindingCategory

Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
Weights = Literal["float32", "float16"]
"""Number format of the weights in a graph; arithmetic is in float32 either way."""
FusionKind = Literal["fitted", "mean", "layout"]
Calibration = Literal["fitted", "taught"]
OperatingPoint = Literal["sensitive", "balanced", "specificity_0.90", "specific"]
_Weight = Annotated[float, Bounds(0, 1_000)]


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of the training loss, relative to that of the abnormal heads.

    Attributes:
        body_part: Weight of the body part head.
        finding: Weight of the finding head.
        other_parts: Share of an image's abnormal loss that trains the heads of all body parts
            alike and not only its own, for data with few studies of a part; 1 makes one head.
        attention: Weight of the attention's supervision by masks or boxes, of images that have
            them, for experts with an attention neck.
        map: Weight of the heat map's supervision by masks or boxes, of images that have them.
    """

    body_part: _Weight = 0.3
    finding: _Weight = 0.3
    other_parts: Share = 0.0
    attention: _Weight = 0.0
    map: _Weight = 0.0

    def __post_init__(self) -> None:
        if recorded():
            return
        check_fields(self, "loss")


@dataclass(frozen=True)
class Fusion:
    """How the experts' logits are combined into one answer.

    Attributes:
        kind: 'fitted': convex weights per body part, fitted on the calibration part. 'mean': equal
            weights. 'layout': one expert answers for each body part.
        layout: Expert of each body part, for the kind 'layout'; other parts get the mean.
        calibration: 'fitted': temperature and offset per body part, fitted on the calibration
            part. 'taught': none, for a student, whose target is its teacher's calibrated logit.
            Thresholds are fitted in either case.
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
    """All settings of a training run.

    Attributes:
        name: Name of the recipe.
        experts: One or more experts with distinct names.
        body_parts: Body parts that the bundle answers for.
        description: One line for people to read.
        categories: Finding categories that the finding head predicts.
        abnormal_means: What the label says: any abnormality, or one finding. With one finding,
            normal studies say nothing about the others.
        input_spec: Preprocessing of the images.
        augmentation: Random changes of training images, for experts without their own.
        loss: Weights of the loss terms.
        distillation: Weights of what is learned from a teacher.
        fusion: How the experts are combined.
        fractions: Shares of the training side's studies, split by patient: 'train' to fit the
            weights, 'tune' to stop early, 'calibration' to fit fusion, temperature and thresholds.
            The last two may be 0, as for the folds of a cross-validation. 'test' is held out of
            all of these, for data without an official test side.
        seed: Seed of all random draws.
        precision: 'auto' is mixed bfloat16 where the device computes it in hardware, else single,
            or what the environment variable ULNA_PRECISION names; the run records the choice.
        patience: Epochs without a better score on 'tune' until training stops; the best epoch is
            kept. 0 never stops and keeps the last, as happens, with a warning, if 'tune' has no
            score.
        checkpoint_every: Steps between checkpoints.
        operating_point: Default operating point of the bundle.
        minutes: Budget of wall time over all experts in minutes; 0 for none. Epochs are cut to fit
            an expert's share, and what one expert leaves goes to those after it, so that the
            result depends on the speed of the machine.
        weights: Number format of the weights in the exported graphs; 'float16' halves the files.
            Arithmetic stays in float32, and students are always stored as float16.
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
    patience: CountOrZero = 0
    checkpoint_every: Count = 100
    operating_point: OperatingPoint = "specificity_0.90"
    minutes: Minutes = 0.0
    weights: Weights = "float32"

    def __post_init__(self) -> None:
        if recorded():
            return
        label = f"recipe {self.name}"
        check_fields(self, label)
        names = [e.name for e in self.experts]
        # Files are named after experts, and some file systems ignore case.
        if not names or len({n.lower() for n in names}) != len(names):
            raise ConfigError(f"{label}: experts {names}: expected at least one, distinct names")
        if set(self.fractions) - {"test"} != {"train", "tune", "calibration"}:
            raise ConfigError(
                f"{label}: fractions {self.fractions}: "
                "expected the keys train, tune, calibration and perhaps test"
            )
        if abs(sum(self.fractions.values()) - 1) > 1e-6 or not self.fractions["train"]:
            raise ConfigError(
                f"{label}: fractions {self.fractions}: expected numbers from 0 up with "
                "sum 1, and a 'train' share"
            )
        self._check_layout()
        if self.fusion.calibration == "taught" and not self.distillation.logits:
            raise ConfigError(f"{label}: calibration 'taught' is for distillation.logits above 0")
        for expert in self.experts:
            check_sizes(expert, self.input_spec.size)

    def _check_layout(self) -> None:
        # A layout may name more body parts, since a recipe is cut down to those in the data.
        strange = set(self.fusion.layout.values()) - {e.name for e in self.experts}
        if strange:
            raise ConfigError(
                f"recipe {self.name}: layout names unknown expert {sorted(strange)[0]!r}"
            )
