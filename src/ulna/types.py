"""The nouns every part of Ulna shares: body parts, studies, radiographs, findings, predictions.

All are frozen and check themselves when made. Arrays are float32 unless said otherwise; pixel
coordinates are (x, y), right and down from the upper left corner of the upper left pixel.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ulna.errors import ConfigError, DatasetError, ImageError
from ulna.standing import Confidence as Confidence
from ulna.standing import Familiarity as Familiarity
from ulna.standing import Triage as Triage
from ulna.standing import triage_of as triage_of

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class BodyPart(enum.StrEnum):
    """The seven regions of MURA; the value is also DICOM's Body Part Examined (0018,0015)."""

    ELBOW = "ELBOW"
    FINGER = "FINGER"
    FOREARM = "FOREARM"
    HAND = "HAND"
    HUMERUS = "HUMERUS"
    SHOULDER = "SHOULDER"
    WRIST = "WRIST"

    @classmethod
    def parse(cls, text: str) -> BodyPart:
        """`text` as a body part: any case, with or without MURA's `XR_`.

        Raises ConfigError for anything else.
        """
        name = text.strip().upper().removeprefix("XR_")
        if name not in cls.__members__:
            known = ", ".join(p.value for p in cls)
            raise ConfigError(f"unknown body part {text!r}: expected one of {known}")
        return cls(name)


class Laterality(enum.StrEnum):
    """DICOM Laterality (0020,0060) and Image Laterality (0020,0062)."""

    LEFT = "L"
    RIGHT = "R"
    UNKNOWN = ""


class FindingCategory(enum.StrEnum):
    """What an abnormal finding is; the multi-label classes of the finding head."""

    FRACTURE = "fracture"
    HARDWARE = "hardware"
    LYTIC_LESION = "lytic_lesion"
    SCLEROTIC_LESION = "sclerotic_lesion"
    DEGENERATIVE = "degenerative"
    DISLOCATION = "dislocation"


class Subtlety(enum.StrEnum):
    """How hard a finding is to see, from its measured contrast-to-noise (phantoms only)."""

    OBVIOUS = "obvious"
    MODERATE = "moderate"
    SUBTLE = "subtle"


@dataclass(frozen=True)
class Finding:
    """One finding of one radiograph, true or predicted, in source pixels.

    box: (x, y, width, height). score: predicted strength (logit contribution), None for truth.
    outline: (N, 2) x, y vertices or None. cnr: measured contrast-to-noise ratio (phantoms). adds:
    how many logits of the answer the region of a predicted one makes up; None where not known.
    """

    box: tuple[float, float, float, float]
    category: FindingCategory | None = None
    score: float | None = None
    outline: npt.NDArray[np.float32] | None = field(default=None, compare=False)
    subtlety: Subtlety | None = None
    cnr: float | None = None
    adds: float | None = None

    def __post_init__(self) -> None:
        if len(self.box) != 4 or self.box[2] < 0 or self.box[3] < 0:
            raise DatasetError(
                f"box {self.box!r}: expected (x, y, width, height) with width and height >= 0"
            )


@dataclass(frozen=True)
class ImageRef:
    """Where one radiograph of a study lies and what is known of it; no pixels.

    A `Study` must name its images before any is decoded, and no other noun does that.
    mask: path of an 8-bit PNG of the image's size, non-zero inside a finding, or None.
    """

    path: Path
    view: str = ""
    laterality: Laterality = Laterality.UNKNOWN
    findings: tuple[Finding, ...] = ()
    mask: Path | None = None


@dataclass(frozen=True)
class Study:
    """All radiographs of one body part of one patient at one visit: the unit of label and metric.

    abnormal: True, False or None (no label). split: 'train', 'valid', 'test' or '' as the
    source says. categories: labelled finding categories of the study, None where unknown.
    remarks: sentences from its source that belong beside its answer, such as a header that names
    another region; they stand first among the answer's flags. unknown: categories of which
    nothing is said though others are labelled. source: its name among several sources, '' for one
    alone. weight: how often a draw over several sources takes its source, relative to the others.
    label_means: what `abnormal` stands for, 'abnormality' or one finding; '' where nobody has said.
    simulated: it shows a phantom and no patient.
    """

    patient_id: str
    study_id: str
    body_part: BodyPart | None
    images: tuple[ImageRef, ...]
    abnormal: bool | None = None
    split: str = ""
    categories: frozenset[FindingCategory] | None = None
    remarks: tuple[str, ...] = ()
    unknown: frozenset[FindingCategory] = frozenset()
    source: str = ""
    weight: float = 1.0
    label_means: str = ""
    simulated: bool = False

    def __post_init__(self) -> None:
        if not self.images:
            raise DatasetError(
                f"study {self.key!r} has no images: expected at least one radiograph; "
                "remove the study or add its files"
            )

    @property
    def key(self) -> str:
        """Unique within a data set: `PART/patient/study`."""
        part = self.body_part.value if self.body_part else "UNKNOWN"
        return f"{part}/{self.patient_id}/{self.study_id}"

    def shows(self, category: FindingCategory) -> bool | None:
        """Whether the study has a finding of the category; None where nobody has said."""
        if self.categories is None or category in self.unknown:
            return None
        return category in self.categories

    @property
    def subtlety(self) -> Subtlety | None:
        """The most visible finding's subtlety over all views, None where not recorded."""
        known = {f.subtlety for i in self.images for f in i.findings if f.subtlety}
        for level in (Subtlety.OBVIOUS, Subtlety.MODERATE, Subtlety.SUBTLE):
            if level in known:
                return level
        return None


@dataclass(frozen=True)
class Radiograph:
    """One view. pixels: (H, W) float32 in [0, 1], bright = dense.

    spacing: (row, column) mm at the detector or None. source: path or UID for messages.
    colour: share of the file's pixels whose hue no tint explains; 0 for grey files.
    other_region: what a DICOM header calls the body part where it is not one of the seven.
    """

    pixels: Array
    source: str = ""
    view: str = ""
    laterality: Laterality = Laterality.UNKNOWN
    spacing: tuple[float, float] | None = None
    body_part: BodyPart | None = None
    colour: float = 0.0
    other_region: str = ""

    def __post_init__(self) -> None:
        p = self.pixels
        if p.ndim != 2 or p.dtype != np.float32 or p.size == 0:
            raise ImageError(
                f"{self.source or 'radiograph'}: pixels of shape {p.shape} and type {p.dtype}: "
                "expected a non-empty (H, W) float32 array"
            )


@dataclass(frozen=True)
class ImagePrediction:
    """The answer for one radiograph.

    probability: calibrated, in [0, 1]. logit: calibrated logit, = mean(heat_map) + bias on
    the model's grid. grid: (h, w) map on that grid in logit units. heat_map: (H, W) the same
    carried to source pixels. body_part_probabilities sum to 1. finding_probabilities: of the
    categories that the bundle knows; finding_maps: likewise, as `heat_map`, where asked for.
    experts: logit of each alone, by its name, routed like the hybrid. foreign: distance of its
    features from those of the images the bundle knows, 1 at the limit; None where it cannot tell.
    refusal: why it is no image for this bundle, or ''. inverted: its polarity was put right first.
    domain: whether it is one of the images that the bundle learned from. outside: how much it looks
    like something else than a limb, 0 for the middle of the known images and 1 at the limit of
    refusal; None where the bundle cannot tell. interval: of a NEAR image, between which two its
    probability lies; None of others.
    """

    source: str
    probability: float
    logit: float
    bias: float
    grid: Array
    heat_map: Array
    body_part_probabilities: Mapping[BodyPart, float]
    findings: tuple[Finding, ...] = ()
    finding_probabilities: Mapping[FindingCategory, float] = field(default_factory=dict)
    finding_maps: Mapping[FindingCategory, Array] = field(default_factory=dict)
    experts: Mapping[str, float] = field(default_factory=dict)
    ood_distance: float | None = None
    refusal: str = ""
    inverted: bool = False
    out_of_distribution: Familiarity = Familiarity.UNKNOWN
    outlier_score: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class StudyPrediction:
    """The answer for one study: mean of its images' probabilities, then the operating point.

    body_part_given: the part came with the study and was not recognised from the pixels.
    experts: study probability of each expert alone, uncalibrated. p_normal, p_abnormal:
    conformal p-values (`ulna.runtime.conformal`), None from a bundle without calibration.
    confidence: of an abnormal finding: certain from the stricter of the operating points
    'sensitive' and 'specific', doubtful from the other; None where the bundle lacks them.
    map_reliable: whether the bundle's heat maps passed their examination, None before one.
    refused: why none of its images is an image for this bundle, or ''; the numbers then mean
    nothing. flags: sentences on what a reader should know before believing the answer.
    skipped_experts: those that a cascade did not run. demonstration: the bundle learned from
    simulated images alone: nothing is said of a patient. finding_probabilities: of the categories
    that the bundle can know; each is called from its finding_thresholds on. leading_finding:
    where abnormal. abnormal_means: what the bundle's label stands for.
    domain: the least familiar of the views that answer. interval: of a NEAR study, between which
    two its probability lies; its p-values are then the largest in between, so that triage rules a
    label out only where both ends do.
    """

    study: Study
    body_part: BodyPart
    body_part_given: bool
    probability: float
    abnormal: bool
    threshold: float
    operating_point: str
    body_part_probabilities: Mapping[BodyPart, float]
    images: tuple[ImagePrediction, ...]
    bundle_hash: str
    experts: Mapping[str, float] = field(default_factory=dict)
    skipped: tuple[tuple[str, str], ...] = ()
    p_normal: float | None = None
    p_abnormal: float | None = None
    confidence: Confidence | None = None
    map_reliable: bool | None = None
    refused: str = ""
    flags: tuple[str, ...] = ()
    skipped_experts: tuple[str, ...] = ()
    demonstration: bool = False
    out_of_distribution: Familiarity = Familiarity.UNKNOWN
    interval: tuple[float, float] | None = None
    finding_probabilities: Mapping[FindingCategory, float] = field(default_factory=dict)
    finding_thresholds: Mapping[FindingCategory, float] = field(default_factory=dict)
    leading_finding: FindingCategory | None = None
    abnormal_means: str = "abnormality"

    def triage(self, error_rate: float) -> Triage | None:
        """Normal, abnormal or to a reader, as every refused study; None without p-values."""
        if self.refused:
            return Triage.REFER
        p, q = self.p_normal, self.p_abnormal
        return None if p is None or q is None else triage_of(p, q, error_rate)
