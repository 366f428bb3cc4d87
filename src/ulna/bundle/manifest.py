"""The manifest of a bundle: frozen, validated, converted to JSON by `ulna.config.codec`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from ulna.bundle.cascade import CascadeParameters
from ulna.bundle.conformal_scores import ComparedParts, ConformalScores
from ulna.bundle.distilled import Distilled
from ulna.bundle.examination import MapExamination
from ulna.bundle.finding_calibration import FindingCalibration, check_findings
from ulna.bundle.out_of_distribution import OutOfDistributionEntry
from ulna.bundle.quantisation import Quantisation
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import InitialWeights, OperatingPoint, Recipe, Weights
from ulna.errors import BundleError
from ulna.types import BodyPart, FindingCategory

FORMAT = 1
# `balanced` (Youden), `sensitive` (sensitivity 0.95), `specific` (specificity 0.95), and the
# point at which bundles are compared.
OPERATING_POINTS: tuple[str, ...] = get_args(OperatingPoint)
INTENDED_USE = (
    "Research on radiographs of the upper extremity. Not a medical device; "
    "not for diagnosis or treatment."
)
DEMONSTRATION_USE = (
    "Demonstration, learned from simulated images alone: must not be used on patients. "
    + INTENDED_USE
)
_SIMULATED = "phantom"
_CONVEX_TOLERANCE = 1e-6


@dataclass(frozen=True)
class ExpertEntry:
    """One expert of a bundle.

    graph: file name of its ONNX graph, sha256: hash of that file. biases: body part -> abnormal
    logit where the heat map is 0 everywhere. grid: (h, w) of the heat map. initial: the initial
    weights of its encoder. parameters: number of weights. weights: precision in which the graph
    stores them. finding_biases: as biases, by category; empty if the graph has no heat maps of
    categories (earlier versions, or no finding head).
    """

    name: str
    encoder: str
    neck: str
    graph: str
    sha256: str
    biases: dict[BodyPart, float]
    grid: tuple[int, int]
    initial: InitialWeights
    parameters: int
    weights: Weights = "float32"
    finding_biases: dict[FindingCategory, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.graph in ("", ".", "..") or "/" in self.graph or "\\" in self.graph:
            raise BundleError(
                f"expert {self.name!r}: graph {self.graph!r}: expected the plain name of a file "
                "in the bundle's folder"
            )
        if min(self.grid) < 1:
            raise BundleError(f"expert {self.name!r}: grid {self.grid}: expected positive sides")


@dataclass(frozen=True)
class FusionParameters:
    """How the experts' logits and heat maps are fused into one calibrated prediction.

    weights: body part -> expert -> weight; non-negative with sum 1 for each body part.
    temperatures, offsets: calibrated logit = (sum of weight * logit + offset) / temperature.
    thresholds: operating point -> body part -> study probability from which a study is abnormal.
    map_threshold: calibrated logit above which a pixel belongs to a finding. map_peak: the largest
    pixel of a finding must exceed this too. map_share: a finding ends where the map falls below
    this share of its largest pixel, if that is above the threshold. map_limit: the calibrated logit
    at the end of the colour scale. n_calibration_studies: 0 if not calibrated.
    conformal: calibration probabilities behind the p-values; empty if not calibrated.
    compared: for a body part with few studies, the body parts whose scores are pooled for it.
    findings: by category. Categories without positive or without negative calibration studies are
    absent; None if findings were never calibrated (earlier versions).
    """

    weights: dict[BodyPart, dict[str, float]]
    temperatures: dict[BodyPart, float]
    offsets: dict[BodyPart, float]
    thresholds: dict[str, dict[BodyPart, float]]
    map_threshold: float
    map_limit: float
    map_peak: float = 0.0
    map_share: float = 0.0
    n_calibration_studies: int = 0
    conformal: dict[BodyPart, ConformalScores] = field(default_factory=dict)
    compared: dict[BodyPart, ComparedParts] = field(default_factory=dict)
    findings: dict[FindingCategory, FindingCalibration] | None = None

    def __post_init__(self) -> None:
        for part, shares in self.weights.items():
            values = list(shares.values())
            # Also fails for nan.
            if not (min(values, default=-1.0) >= 0 and abs(sum(values) - 1) <= _CONVEX_TOLERANCE):
                raise BundleError(
                    f"fusion weights of {part}: {shares}: expected shares >= 0 with sum 1"
                )
        if not all(0 < t < math.inf for t in self.temperatures.values()):
            raise BundleError(f"temperatures {self.temperatures}: expected positive numbers")
        _check_finite("offsets", self.offsets.values())
        for point, values_by_part in self.thresholds.items():
            if not all(0 <= v <= 1 for v in values_by_part.values()):
                raise BundleError(f"thresholds of {point!r}: {values_by_part}: expected 0 to 1")
        _check_finite("map threshold and peak", [self.map_threshold, self.map_peak])
        if not 0 <= self.map_share < 1:
            raise BundleError(f"map share {self.map_share}: expected a number in [0, 1)")
        if not 0 < self.map_limit < math.inf:
            raise BundleError(f"map limit {self.map_limit}: expected a positive number of logits")

    def compared_with(self, part: BodyPart) -> ConformalScores | None:
        """Return the conformal scores for studies of `part`, None if not calibrated."""
        pooled = self.compared.get(part)
        return self.conformal.get(part) if pooled is None else pooled.scores(self.conformal)

    @property
    def calibrated(self) -> bool:
        """Whether weights, temperatures and thresholds were fitted on calibration studies."""
        return self.n_calibration_studies > 0


@dataclass(frozen=True)
class DataFingerprint:
    """The training data of a model: kind ('phantom', 'mura', 'table', 'dicom') and counts.

    sha256: of the sorted study keys, labels and file names. findings: category -> numbers of
    studies labelled with and without it; None if not recorded (earlier versions).
    """

    kind: str
    name: str
    n_studies: int
    n_images: int
    sha256: str
    findings: dict[FindingCategory, tuple[int, int]] | None = None

    @property
    def simulated(self) -> bool:
        """Whether the training data are phantoms only."""
        return self.kind == _SIMULATED

    @property
    def intended_use(self) -> str:
        """The permitted use of a bundle trained on these data."""
        return DEMONSTRATION_USE if self.simulated else INTENDED_USE


@dataclass(frozen=True)
class Manifest:
    """Everything a `Predictor` needs besides the graphs, and the provenance of the bundle.

    created: ISO 8601, UTC. body_parts: in the order of the abnormal and body-part heads.
    categories: in the order of the finding head. split: side of the split -> number of studies.
    metrics: parity and completeness errors at export, and results of the calibration.
    out_of_distribution: the detector's settings, None without one (old graphs, not calibrated).
    map_examination: results of `ulna examine`, None before it and after a new calibration.
    cascade: parameters of the cascade, None if not fitted. quantisation: acceptance test of int8
    graphs, None for graphs of `ulna export`. distilled: teacher and acceptance test of a student.
    """

    name: str
    created: str
    input_spec: InputSpec
    body_parts: tuple[BodyPart, ...]
    categories: tuple[FindingCategory, ...]
    experts: tuple[ExpertEntry, ...]
    fusion: FusionParameters
    operating_point: str
    recipe: Recipe
    data: DataFingerprint
    split: dict[str, int]
    versions: dict[str, str]
    metrics: dict[str, float] = field(default_factory=dict)
    map_examination: MapExamination | None = None
    intended_use: str = INTENDED_USE
    format: int = FORMAT
    out_of_distribution: OutOfDistributionEntry | None = None
    cascade: CascadeParameters | None = None
    quantisation: Quantisation | None = None
    distilled: Distilled | None = None

    def __post_init__(self) -> None:
        names = [e.name for e in self.experts]
        if not names or len(set(names)) != len(names):
            raise BundleError(f"experts {names}: expected at least one, of distinct names")
        files = [e.graph for e in self.experts]
        if len({f.lower() for f in files}) != len(files):
            raise BundleError(f"graphs {files}: expected a file of its own for each expert")
        self._check_parts(set(self.body_parts), set(names))
        if self.operating_point not in self.fusion.thresholds:
            raise BundleError(
                f"operating point {self.operating_point!r} has no thresholds: expected one of "
                f"{', '.join(self.fusion.thresholds)}"
            )
        _check_finite("metrics", self.metrics.values())

    @property
    def map_reliable(self) -> bool | None:
        """Whether the heat maps passed `ulna examine`; None before it was run."""
        return None if self.map_examination is None else self.map_examination.reliable

    @property
    def abnormal_means(self) -> str:
        """The meaning of the label abnormal: 'abnormality', or one finding category."""
        return self.recipe.abnormal_means

    @property
    def finding_maps(self) -> bool:
        """Whether every graph has a heat map for each category; earlier versions lack them."""
        return bool(self.categories) and all(e.finding_biases for e in self.experts)

    @property
    def demonstration(self) -> bool:
        """Whether it or its teacher was trained on phantoms only, so not for use on patients."""
        taught = self.distilled is not None and self.distilled.demonstration
        return self.data.simulated or taught

    def _check_parts(self, parts: set[BodyPart], names: set[str]) -> None:
        fusion = self.fusion
        tables: dict[str, Mapping[BodyPart, object]] = {
            "weights": fusion.weights,
            "temperatures": fusion.temperatures,
            "offsets": fusion.offsets,
            **{f"thresholds of {k!r}": v for k, v in fusion.thresholds.items()},
            **{f"biases of expert {e.name!r}": e.biases for e in self.experts},
        }
        for name, table in tables.items():
            if set(table) != parts or not parts:
                raise BundleError(
                    f"{name} for {sorted(table)}: expected the bundle's body parts {sorted(parts)}"
                )
        _check_conformal(fusion, parts)
        ood = self.out_of_distribution
        if ood is not None and not set(ood.limits) <= names:
            raise BundleError(
                f"out_of_distribution of {sorted(ood.limits)}: expected some of {names}"
            )
        if self.cascade is not None:
            self.cascade.check(names, parts, fusion.thresholds)
        check_findings(
            self.categories,
            fusion.findings or {},
            fusion.thresholds,
            {e.name: e.finding_biases for e in self.experts},
        )
        for part, shares in fusion.weights.items():
            if set(shares) != names:
                raise BundleError(
                    f"weights of {part} for {sorted(shares)}: expected {sorted(names)}"
                )


def uncalibrated_fusion(
    experts: Iterable[str], parts: Iterable[BodyPart], operating_point: str
) -> FusionParameters:
    """Return a fusion with equal weights, temperature 1, offset 0 and thresholds 0.5."""
    names, known = list(experts), list(parts)
    points = dict.fromkeys([*OPERATING_POINTS, operating_point])
    return FusionParameters(
        weights={p: {n: 1 / len(names) for n in names} for p in known},
        temperatures=dict.fromkeys(known, 1.0),
        offsets=dict.fromkeys(known, 0.0),
        thresholds={o: dict.fromkeys(known, 0.5) for o in points},
        map_threshold=1.0,
        map_limit=4.0,
    )


def _check_conformal(fusion: FusionParameters, parts: set[BodyPart]) -> None:
    if fusion.conformal and set(fusion.conformal) != parts:
        raise BundleError(
            f"conformal scores for {sorted(fusion.conformal)}: expected the bundle's body "
            f"parts {sorted(parts)}"
        )
    for part, with_ in fusion.compared.items():
        if not {part, *with_.normal, *with_.abnormal} <= set(fusion.conformal):
            raise BundleError(
                f"conformal scores of {part} compared with {with_}: expected body parts among "
                f"{sorted(fusion.conformal)}"
            )


def _check_finite(name: str, values: Iterable[float]) -> None:
    if not all(math.isfinite(v) for v in values):
        raise BundleError(f"{name}: {list(values)}: expected finite numbers")
