"""What a bundle says of itself: frozen, checked when made, JSON by `ulna.config.codec`."""

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
# point at which results are compared.
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

    graph: file name of its ONNX graph, sha256: of that file. biases: by body part, what its
    abnormal logit is when its map is 0 everywhere. grid: (h, w) of its map. initial: where
    its encoder started. parameters: number of weights. weights: how the graph stores them.
    finding_biases: as biases, by category; empty where the graph gives no maps of categories
    (earlier versions; no finding head).
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
    """How the experts' logits and maps become one calibrated answer.

    weights: body part -> expert -> share; convex for each part. temperatures, offsets: the
    calibrated logit is (sum of weight * logit + offset) / temperature. thresholds: operating
    point -> body part -> study probability from which a study is abnormal. map_threshold:
    calibrated logit above which a pixel belongs to a finding; map_peak: what a finding's largest
    pixel must exceed too, or it is not one (0: the threshold alone); map_share: a finding ends
    where the map falls below this share of its largest pixel, if that is above the threshold;
    map_limit: the calibrated logit of the last colour. n_calibration_studies: 0 where nothing was
    fitted yet. conformal: what a study's probability is compared with to say how far its answer can
    be trusted; empty where nothing was fitted. compared: the body parts whose lists stand together
    where a part has few studies of its own; a part that is not in it stands alone. findings: by
    category of the finding head; those that no study was known to show, or known not to, are
    absent; None where findings were never calibrated (earlier versions; not at all).
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
            # Written so that nan fails too.
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
        """What a study of `part` is compared with; None where nothing was calibrated."""
        result = self.compared.get(part)
        return self.conformal.get(part) if result is None else result.scores(self.conformal)

    @property
    def calibrated(self) -> bool:
        """Whether weights, temperatures and thresholds were fitted on any study."""
        return self.n_calibration_studies > 0


@dataclass(frozen=True)
class DataFingerprint:
    """What a model learned from: kind ('phantom', 'mura', 'table', 'dicom') and counts.

    sha256: of the sorted study keys, labels and file names. findings: category -> how many studies
    are known to show it, and known not to; None where that was not recorded (earlier versions).
    """

    kind: str
    name: str
    n_studies: int
    n_images: int
    sha256: str
    findings: dict[FindingCategory, tuple[int, int]] | None = None

    @property
    def simulated(self) -> bool:
        """Whether nothing but phantoms was learned from."""
        return self.kind == _SIMULATED

    @property
    def intended_use(self) -> str:
        """What a bundle that learned from these data may be used for."""
        return DEMONSTRATION_USE if self.simulated else INTENDED_USE


@dataclass(frozen=True)
class Manifest:
    """Everything a `Predictor` needs beside the graphs, and where the bundle comes from.

    created: ISO 8601, UTC. categories: of the finding head, in its order; body_parts: in the
    order of the abnormal and the body-part head. split: number of studies by part of the
    split. metrics: parity and completeness at export, later those of calibration. domain: what
    its images look like, None where nothing is known of it (older graphs, not calibrated).
    map_examination: what `ulna examine` found, None before; a new calibration removes it.
    cascade: when not all experts need be run, None where that was not fitted.
    quantisation: of graphs in int8, what they were accepted by; None for those of `ulna export`.
    distilled: of a student, whose answers it has learned and how near it comes to them.
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
        """Whether the heat maps passed their examination; None before one."""
        return None if self.map_examination is None else self.map_examination.reliable

    @property
    def abnormal_means(self) -> str:
        """What the label abnormal says: 'abnormality', or the one finding that it stands for."""
        return self.recipe.abnormal_means

    @property
    def finding_maps(self) -> bool:
        """Whether every graph gives a map for each category; those of earlier versions do not."""
        return bool(self.categories) and all(e.finding_biases for e in self.experts)

    @property
    def demonstration(self) -> bool:
        """Whether it, or its teacher, learned from phantoms alone: its answers mean no patient."""
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
        for what, table in tables.items():
            if set(table) != parts or not parts:
                raise BundleError(
                    f"{what} for {sorted(table)}: expected the bundle's body parts {sorted(parts)}"
                )
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
        if self.out_of_distribution is not None:
            self.out_of_distribution.check_experts(names)
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
    """Equal weights, temperature 1, offset 0, thresholds 0.5, marked as not calibrated."""
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


def _check_finite(what: str, values: Iterable[float]) -> None:
    if not all(math.isfinite(v) for v in values):
        raise BundleError(f"{what}: {list(values)}: expected finite numbers")
