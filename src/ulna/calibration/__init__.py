"""What is fitted to a bundle's answers: fusion, temperatures, thresholds, cascade, refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.first_use import on_first_use

if TYPE_CHECKING:
    from ulna.calibration.calibrate import calibrate_bundle, fit_fusion

__all__ = ["calibrate_bundle", "fit_fusion"]

__getattr__ = on_first_use(
    __name__,
    {
        "calibrate": ("calibrate_bundle", "fit_fusion"),
    },
)
