"""Model bundles: a verified folder with one ONNX graph for each expert and `manifest.json`."""

from __future__ import annotations

from ulna.bundle.cascade import CascadeCheck, CascadeParameters, CascadeStage
from ulna.bundle.conformal_scores import ComparedParts, ConformalScores
from ulna.bundle.distilled import TEACHER, Distilled, StudentParity
from ulna.bundle.examination import MapExamination, MapTest, map_verdict
from ulna.bundle.finding_calibration import FindingCalibration
from ulna.bundle.io import (
    ModelBundle,
    check_replaceable,
    read_bundle,
    read_out_of_distribution,
    replace_fusion,
    write_bundle,
)
from ulna.bundle.manifest import (
    DEMONSTRATION_USE,
    DataFingerprint,
    ExpertEntry,
    FusionParameters,
    Manifest,
    uncalibrated_fusion,
)
from ulna.bundle.out_of_distribution import (
    FeatureStatistics,
    OodDetector,
    OutOfDistributionEntry,
)
from ulna.bundle.outlier_head import OutlierHead, outlier_inputs
from ulna.bundle.shipped import DEMONSTRATION_BUNDLE, STUDENT_BUNDLE, default_bundle, find_bundle
from ulna.bundle.verdicts import replace_examination, replace_parity

__all__ = [
    "DEMONSTRATION_BUNDLE",
    "DEMONSTRATION_USE",
    "STUDENT_BUNDLE",
    "TEACHER",
    "CascadeCheck",
    "CascadeParameters",
    "CascadeStage",
    "ComparedParts",
    "ConformalScores",
    "DataFingerprint",
    "Distilled",
    "OodDetector",
    "OutOfDistributionEntry",
    "ExpertEntry",
    "FeatureStatistics",
    "FindingCalibration",
    "FusionParameters",
    "Manifest",
    "MapExamination",
    "MapTest",
    "ModelBundle",
    "OutlierHead",
    "StudentParity",
    "check_replaceable",
    "default_bundle",
    "find_bundle",
    "map_verdict",
    "outlier_inputs",
    "read_bundle",
    "read_out_of_distribution",
    "replace_examination",
    "replace_fusion",
    "replace_parity",
    "uncalibrated_fusion",
    "write_bundle",
]
