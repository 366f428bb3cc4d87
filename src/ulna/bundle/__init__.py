"""A trained hybrid as a verified folder: one ONNX graph for each expert and `manifest.json`."""

from __future__ import annotations

from ulna.bundle.box import BOX_BUNDLE
from ulna.bundle.cascade import CascadeCheck, CascadeParameters, CascadeStage
from ulna.bundle.conformal_scores import ConformalScores
from ulna.bundle.domain import Domain, DomainEntry, FeatureStatistics
from ulna.bundle.examination import MapExamination, MapTest, map_verdict
from ulna.bundle.finding_calibration import FindingCalibration
from ulna.bundle.io import (
    ModelBundle,
    check_replaceable,
    read_bundle,
    read_domain,
    replace_examination,
    replace_fusion,
    write_bundle,
)
from ulna.bundle.manifest import (
    DataFingerprint,
    ExpertEntry,
    FusionParameters,
    Manifest,
    uncalibrated_fusion,
)

__all__ = [
    "BOX_BUNDLE",
    "CascadeCheck",
    "CascadeParameters",
    "CascadeStage",
    "ConformalScores",
    "DataFingerprint",
    "Domain",
    "DomainEntry",
    "ExpertEntry",
    "FeatureStatistics",
    "FindingCalibration",
    "FusionParameters",
    "Manifest",
    "MapExamination",
    "MapTest",
    "ModelBundle",
    "check_replaceable",
    "map_verdict",
    "read_bundle",
    "read_domain",
    "replace_examination",
    "replace_fusion",
    "uncalibrated_fusion",
    "write_bundle",
]
