"""The rows that evaluation keeps of each study and image, without pixels.

Scores, the table and the report are all computed from these rows. They can therefore be tested
without a bundle and agree with each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ulna.metrics.logistic import sigmoid
from ulna.types import Array, BodyPart, FindingCategory, ImageRef, Subtlety


@dataclass(frozen=True)
class Location:
    """Localisation measures of one image with a known mask, see metrics.localisation.

    middle is the pointing game of the image's centre, a baseline without a model.
    """

    pointing: float
    pointing_chance: float
    middle: float
    energy: float
    energy_chance: float
    iou: float
    iou_chance: float


@dataclass(frozen=True)
class ImageRow:
    """One readable radiograph.

    shape is (H, W) of the file. grid is the (h, w) heat map in logits over the square around the
    whole image. experts are the logits of the single experts. recognised is the predicted body
    part. refusal is why `ulna predict` refuses the image, or ''. location is None where no mask or
    box is known or can be read; mask_error is the reason why it cannot be read.
    """

    ref: ImageRef
    probability: float
    logit: float
    shape: tuple[int, int]
    grid: Array = field(compare=False)
    experts: Mapping[str, float] = field(default_factory=dict)
    recognised: BodyPart | None = None
    refusal: str = ""
    location: Location | None = None
    mask_error: str = ""

    @property
    def subtlety(self) -> Subtlety | None:
        """The subtlety of the most visible finding in this view, None where not recorded."""
        known = {f.subtlety for f in self.ref.findings}
        return next((s for s in Subtlety if s in known), None)


@dataclass(frozen=True)
class Answer:
    """A study probability and the decision at the operating point of `body_part`.

    p_normal and p_abnormal are conformal p-values, None from a bundle that is not calibrated.
    findings, finding_thresholds and leading_finding are as in `StudyPrediction`.
    """

    body_part: BodyPart
    probability: float
    abnormal: bool
    threshold: float
    p_normal: float | None = None
    p_abnormal: float | None = None
    findings: Mapping[FindingCategory, float] = field(default_factory=dict)
    finding_thresholds: Mapping[FindingCategory, float] = field(default_factory=dict)
    leading_finding: FindingCategory | None = None


@dataclass(frozen=True)
class CascadeAnswer:
    """The answer of the cascade.

    skipped are the experts that it did not run. cost is the ratio of its multiply-adds to those of
    the whole hybrid.
    """

    probability: float
    abnormal: bool
    skipped: tuple[str, ...]
    cost: float


@dataclass(frozen=True)
class StudyRow:
    """One study with its answers, or with a `fault`, the reason why there is none.

    body_part is that of the data, None if unknown. given is the answer with this body part where
    known, recognised the answer with the predicted one. experts are the uncalibrated study
    probabilities of single experts. skipped are (path, reason) of unreadable images. cascade is
    the cascade's answer if requested. kind is the fault without names, by which equal faults are
    counted. source is '' for a single data set, and is not in predictions.csv. finding_labels are
    the known labels of categories, True where the study shows the category.
    """

    key: str
    patient_id: str
    body_part: BodyPart | None
    abnormal: bool | None
    split: str = ""
    subtlety: Subtlety | None = None
    categories: frozenset[FindingCategory] = frozenset()
    given: Answer | None = None
    recognised: Answer | None = None
    experts: Mapping[str, float] = field(default_factory=dict)
    images: tuple[ImageRow, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    fault: str = ""
    cascade: CascadeAnswer | None = None
    kind: str = ""
    source: str = ""
    finding_labels: Mapping[FindingCategory, bool] = field(default_factory=dict)

    @property
    def scored(self) -> bool:
        """Whether the study has both label and answer."""
        return self.abnormal is not None and self.given is not None

    @property
    def refused(self) -> bool:
        """Whether the bundle refuses every readable image."""
        return bool(self.images) and all(i.refusal for i in self.images)

    @property
    def part(self) -> BodyPart | None:
        """The body part under which the study counts, the true one or else the predicted one."""
        if self.body_part is None and self.given is not None:
            return self.given.body_part
        return self.body_part

    @property
    def visible(self) -> bool:
        """Whether the study is normal, or abnormal with an obvious or moderate finding."""
        return self.abnormal is False or self.subtlety in (Subtlety.OBVIOUS, Subtlety.MODERATE)

    @property
    def mean_of_experts(self) -> float:
        """The study probability of the plain mean of all experts' logits, nan without experts."""
        if not self.images or not self.images[0].experts:
            return float("nan")
        z = np.array([np.mean(list(i.experts.values())) for i in self.images])
        return float(np.mean(sigmoid(z)))


def scored_rows(rows: Sequence[StudyRow], part: BodyPart | None = None) -> list[StudyRow]:
    """Return the rows with label and answer, of one body part or of all."""
    return [r for r in rows if r.scored and (part is None or r.part == part)]


def parts_of(rows: Sequence[StudyRow]) -> list[BodyPart]:
    """Return the body parts with at least one scored study, in alphabetical order."""
    return sorted({r.part for r in rows if r.scored and r.part is not None})
