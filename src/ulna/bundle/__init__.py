"""A trained hybrid as a verified folder: one ONNX graph for each expert and `manifest.json`."""

from __future__ import annotations

from ulna.bundle.io import ModelBundle, read_bundle, replace_fusion, write_bundle
from ulna.bundle.manifest import (
    ConformalScores,
    DataFingerprint,
    ExpertEntry,
    FusionParameters,
    Manifest,
    uncalibrated_fusion,
)

__all__ = [
    "ConformalScores",
    "DataFingerprint",
    "ExpertEntry",
    "FusionParameters",
    "Manifest",
    "ModelBundle",
    "read_bundle",
    "replace_fusion",
    "uncalibrated_fusion",
    "write_bundle",
]
