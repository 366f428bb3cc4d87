"""The data types that all of Ulna shares: body parts, studies, images, findings, predictions.

All are frozen dataclasses that validate their fields. Arrays are float32 unless stated otherwise.
Pixel coordinates are (x, y), right and down from the upper left corner of the upper left pixel.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ulna.errors import ConfigError, DatasetError, ImageError
from ulna.reliability import Confidence as Confidence
from ulna.reliability import OodLevel as OodLevel
from ulna.reliability import Triage as Triage
from ulna.reliability import triage_of as triage_of

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class BodyPart(enum.StrEnum):
    """One of MURA's seven regions; the value is that of DICOM Body Part Examined (0018,0015)."""

    ELBOW = "ELBOW"
    FINGER = "FINGER"
    FOREARM = "FOREARM"
    HAND = "HAND"
    HUMERUS = "HUMERUS"
    SHOULDER = "SHOULDER"
    WRIST = "WRIST"

    @classmethod
    def parse(cls, text: str) -> BodyPart:
        """Return the body part that `text` names, in any case, with or without MURA's `XR_`.

        Raises ConfigError for any other text.
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
    """The category of an abnormal finding: the classes of the multi-label finding head."""

    FRACTURE = "fracture"
    HARDWARE = "hardware"
    LYTIC_LESION = "lytic_lesion"
    SCLEROTIC_LESION = "sclerotic_lesion"
    DEGENERATIVE = "degenerative"
    DISLOCATION = "dislocation"


class Subtlety(enum.StrEnum):
    """How hard a finding is to see, by its contrast-to-noise ratio (phantoms only)."""

    OBVIOUS = "obvious"
    MODERATE = "moderate"
    SUBTLE = "subtle"


@dataclass(frozen=True)
class Finding:
    """One finding on one image, from the ground truth or predicted, in pixels of the image's file.

    box: (x, y, width, height). score: largest value of the heat map in the finding, in logits;
    None for ground truth. outline: (N, 2) vertices (x, y), or None. cnr: measured contrast-to-noise
    ratio (phantoms only). adds: logits that the region of a predicted finding contributes to the
    logit of the image; None where not known.
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
    """The file of one image of a study and what is known of it without decoding.

    mask: path of an 8-bit PNG of the image's size that is non-zero inside findings, or None.
    """

    path: Path
    view: str = ""
    laterality: Laterality = Laterality.UNKNOWN
    findings: tuple[Finding, ...] = ()
    mask: Path | None = None


@dataclass(frozen=True)
class Study:
    """All images of one body part of one patient at one visit: the unit of label and metric.

    abnormal: the label, None if there is none. split: 'train', 'valid', 'test' or '' (not defined).
    categories: labelled finding categories, None if not labelled. unknown: those left unlabelled.
    remarks: notes on the data (such as a header that names another region), shown with the answer.
    source: name of the data source (hospital, data set), '' for a single one. weight: its sampling
        weight, relative to the other sources.
    label_means: what `abnormal` means: 'abnormality', one finding category, or '' (not stated).
    simulated: whether the images show a phantom instead of a patient.
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
                f"study {self.key!r} has no images: expected at least one; remove it or add files"
            )

    @property
    def key(self) -> str:
        """Identifier that is unique within a data set: `PART/patient/study`."""
        part = self.body_part.value if self.body_part else "UNKNOWN"
        return f"{part}/{self.patient_id}/{self.study_id}"

    def shows(self, category: FindingCategory) -> bool | None:
        """Whether the study has a finding of the category; None where that is not labelled."""
        if self.categories is None or category in self.unknown:
            return None
        return category in self.categories

    @property
    def subtlety(self) -> Subtlety | None:
        """Subtlety of the most visible finding of all views, None where not recorded."""
        known = {f.subtlety for i in self.images for f in i.findings if f.subtlety}
        return next((level for level in Subtlety if level in known), None)


@dataclass(frozen=True)
class Radiograph:
    """One decoded image: pixels (H, W) float32 in [0, 1], where dense tissue is bright.

    source: path or UID, for messages. view: projection, such as PA or LAT.
    spacing: (row, column) in mm at the detector, or None. colour: share of coloured pixels that no
        uniform tint explains; 0 for greyscale files.
    other_region: the body part in the DICOM header where it is none of the seven, else ''.
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
    """The prediction for one image of a study.

    source: path or UID of the image.
    probability: calibrated probability that the image is abnormal, in [0, 1].
    logit: its logit, equal to mean(grid) + bias. bias: the logit where the heat map is all zero.
    grid: (h, w) heat map on the model's grid, in logits.
    heat_map: (H, W) the same map, interpolated to the pixels of the image's file.
    body_part_probabilities: of each body part the bundle knows; they sum to 1.
    findings: regions of the heat map above the bundle's threshold, strongest first.
    finding_probabilities: calibrated, of each category the bundle knows.
    finding_maps: (H, W) heat map of each category, where requested.
    experts: uncalibrated logit of each single expert, by name.
    ood_distance: Mahalanobis distance of the features from those of the calibration images, divided
        by its limit (1 is the limit); None where the bundle has no feature statistics.
    outlier_score: how little the image resembles a radiograph of the upper extremity: 0 for the
        median in-distribution image, refused above 1; None where the bundle has no outlier head.
    out_of_distribution: in distribution, near or far out of distribution, or unknown.
    interval: (low, high) of the probability of a NEAR image, None for all others.
    refusal: why the image is refused (the numbers then mean nothing), or ''.
    inverted: whether the image had the wrong polarity, which was corrected before the prediction.
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
    out_of_distribution: OodLevel = OodLevel.UNKNOWN
    outlier_score: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class StudyPrediction:
    """The prediction for one study, from the mean of its images' probabilities.

    body_part: the part whose heads answered. body_part_given: whether it came with the data
        (True) or was predicted from the pixels (False).
    probability: calibrated probability that the study is abnormal, in [0, 1]. abnormal: whether it
        reaches `threshold`, that of the `operating_point` for the body part.
    images: the predictions for its readable images. skipped: (path, reason) of the others.
    bundle_hash: SHA-256 of the bundle's manifest. experts: uncalibrated study probability of each
        single expert, by name. skipped_experts: those that a cascade did not run.
    p_normal, p_abnormal: conformal p-values of the two labels (`ulna.runtime.conformal`), None
        from a bundle that is not calibrated; used by `triage`.
    confidence: certain if the probability reaches the higher of the thresholds 'sensitive' and
        'specific', doubtful if only the lower, none if neither; None where the bundle lacks them.
    map_reliable: whether the bundle's heat maps passed `ulna examine`, None before it was run.
    refused: why all images are refused (the numbers then mean nothing), or ''.
    flags: warnings that a reader should know before relying on the prediction.
    demonstration: the bundle was trained on simulated images only and says nothing of patients.
    out_of_distribution: that of the accepted image farthest from the calibration images.
    interval: (low, high) of the probability of a NEAR study, else None. The p-values are then
        the largest in the interval, so triage rules a label out only where both ends do.
    finding_probabilities, finding_thresholds: by category the bundle knows; a category is called
        present where its probability reaches its threshold.
    leading_finding: the most probable category of an abnormal study. abnormal_means: what the
        bundle's label stands for, 'abnormality' or one category.
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
    out_of_distribution: OodLevel = OodLevel.UNKNOWN
    interval: tuple[float, float] | None = None
    finding_probabilities: Mapping[FindingCategory, float] = field(default_factory=dict)
    finding_thresholds: Mapping[FindingCategory, float] = field(default_factory=dict)
    leading_finding: FindingCategory | None = None
    abnormal_means: str = "abnormality"

    def triage(self, error_rate: float) -> Triage | None:
        """Normal, abnormal, or refer to a reader (always if refused); None without p-values."""
        if self.refused:
            return Triage.REFER
        p, q = self.p_normal, self.p_abnormal
        return None if p is None or q is None else triage_of(p, q, error_rate)
