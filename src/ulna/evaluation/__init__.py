"""Calibration of a bundle, and its scores on labelled studies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.evaluation.calibrate import calibrate_bundle, fit_fusion
    from ulna.evaluation.pipeline import evaluate

__all__ = ["calibrate_bundle", "evaluate", "fit_fusion"]


def __getattr__(name: str) -> Any:
    if name in ("calibrate_bundle", "fit_fusion"):
        from ulna.evaluation import calibrate

        return getattr(calibrate, name)
    if name == "evaluate":
        from ulna.evaluation.pipeline import evaluate

        return evaluate
    raise AttributeError(f"module 'ulna.evaluation' has no attribute {name!r}")
