"""What evaluation keeps of each study and image: small, flat, without pixels.

Scores, the table and the report are all made of these rows, so they can be tested without a
bundle and none of them can see more than the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ulna.metrics.logistic import sigmoid
from ulna.types import Array, BodyPart, FindingCategory, ImageRef, Subtlety


@dataclass(frozen=True)
class Location:
    """Localisation measures of one image with a known mask; see metrics.localisation.

    middle: the pointing game of the image's middle, which needs no model at all.
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
    """One readable radiograph. experts: logit of each alone. grid: (h, w) map in logits, over the
    whole image's square.

    shape: (H, W) of the source. refusal: why `ulna predict` leaves it out, or ''. location: None
    where no mask or box is known, applies, or can be read; mask_error says why it cannot.
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
        """The most visible finding of this view, None where not recorded."""
        known = {f.subtlety for f in self.ref.findings}
        return next((s for s in Subtlety if s in known), None)


@dataclass(frozen=True)
class Answer:
    """A study probability and the decision at the operating point of `body_part`.

    p_normal, p_abnormal: conformal p-values, None from a bundle that is not calibrated. findings,
    finding_thresholds, leading_finding: which abnormality, as in `StudyPrediction`.
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
    """The cascade's answer beside the whole hybrid's.

    skipped: experts that it did not run. cost: its multiply-adds over those of the hybrid.
    """

    probability: float
    abnormal: bool
    skipped: tuple[str, ...]
    cost: float


@dataclass(frozen=True)
class StudyRow:
    """One study with its answers; `fault` says why there is none.

    body_part: as the data say, None if they do not. given: routed by it where known.
    recognised: routed by the pixels. experts: study probability of each alone, uncalibrated.
    skipped: (path, reason) of unreadable images. cascade: where one was asked for. kind: the
    fault without the names in it, by which like ones are counted. source: among several, '' for
    one alone; predictions.csv does not hold it. finding_labels: of each category that the data
    know, whether the study shows it.
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
        """Whether label and answer are both there."""
        return self.abnormal is not None and self.given is not None

    @property
    def refused(self) -> bool:
        """Whether every readable image is no image for the bundle."""
        return bool(self.images) and all(i.refusal for i in self.images)

    @property
    def part(self) -> BodyPart | None:
        """The body part under which the study counts: the true one, else the recognised."""
        if self.body_part is None and self.given is not None:
            return self.given.body_part
        return self.body_part

    @property
    def visible(self) -> bool:
        """Normal, or abnormal with an obvious or moderate finding."""
        return self.abnormal is False or self.subtlety in (Subtlety.OBVIOUS, Subtlety.MODERATE)

    @property
    def mean_of_experts(self) -> float:
        """Study probability of the plain mean of all experts' logits, nan without experts."""
        if not self.images or not self.images[0].experts:
            return float("nan")
        z = np.array([np.mean(list(i.experts.values())) for i in self.images])
        return float(np.mean(sigmoid(z)))


def scored_rows(rows: Sequence[StudyRow], part: BodyPart | None = None) -> list[StudyRow]:
    """The rows with label and answer, of one body part or of all."""
    return [r for r in rows if r.scored and (part is None or r.part == part)]


def parts_of(rows: Sequence[StudyRow]) -> list[BodyPart]:
    """Body parts with at least one scored study, in alphabetical order."""
    return sorted({r.part for r in rows if r.scored and r.part is not None})
