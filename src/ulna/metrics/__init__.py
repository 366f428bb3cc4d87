"""Metrics on NumPy arrays: decisions, ranking, calibration, localisation, and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.metrics.bootstrap import Interval, bootstrap_interval, bootstrap_intervals
    from ulna.metrics.brier_decomposition import BrierTerms, brier_terms
    from ulna.metrics.debiased import ece_debiased
    from ulna.metrics.decisions import (
        accuracy,
        cohen_kappa,
        confusion_counts,
        f1,
        precision,
        sensitivity,
        specificity,
    )
    from ulna.metrics.localisation import energy_inside, map_iou, pointing_game
    from ulna.metrics.probability import brier, ece, reliability
    from ulna.metrics.ranking import auroc, average_precision, pr_curve, roc_curve

__all__ = [
    "BrierTerms", "Interval", "accuracy", "auroc", "average_precision", "bootstrap_interval",
    "bootstrap_intervals", "brier", "brier_terms", "cohen_kappa", "confusion_counts", "ece",
    "ece_debiased", "energy_inside", "f1", "map_iou", "pointing_game", "pr_curve", "precision",
    "reliability", "roc_curve", "sensitivity", "specificity",
]  # fmt: skip

__getattr__ = lazy_getattr(
    __name__,
    {
        "bootstrap": ("Interval", "bootstrap_interval", "bootstrap_intervals"),
        "brier_decomposition": ("BrierTerms", "brier_terms"),
        "debiased": ("ece_debiased",),
        "decisions": (
            "accuracy", "cohen_kappa", "confusion_counts", "f1", "precision", "sensitivity",
            "specificity",
        ),
        "localisation": ("energy_inside", "map_iou", "pointing_game"),
        "probability": ("brier", "ece", "reliability"),
        "ranking": ("auroc", "average_precision", "pr_curve", "roc_curve"),
    },
)  # fmt: skip
