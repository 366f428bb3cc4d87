"""What is fitted to a bundle's answers: fusion, temperatures, thresholds, cascade, refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.calibration.calibrate import calibrate_bundle, fit_fusion

__all__ = ["calibrate_bundle", "fit_fusion"]


def __getattr__(name: str) -> Any:
    if name in ("calibrate_bundle", "fit_fusion"):
        from ulna.calibration import calibrate

        return getattr(calibrate, name)
    raise AttributeError(f"module 'ulna.calibration' has no attribute {name!r}")
