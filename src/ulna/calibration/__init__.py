"""Calibration of a bundle: fusion weights, temperatures, thresholds, cascade and refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.calibration.calibrate import calibrate_bundle, fit_fusion

__all__ = ["calibrate_bundle", "fit_fusion"]

__getattr__ = lazy_getattr(__name__, {"calibrate": ("calibrate_bundle", "fit_fusion")})
