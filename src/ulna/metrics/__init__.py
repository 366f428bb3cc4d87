"""Plain functions on NumPy arrays: answers, order, probability, place, and their intervals."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_HOME = {
    "accuracy": "decisions",
    "cohen_kappa": "decisions",
    "confusion_counts": "decisions",
    "f1": "decisions",
    "precision": "decisions",
    "sensitivity": "decisions",
    "specificity": "decisions",
    "auroc": "ranking",
    "average_precision": "ranking",
    "pr_curve": "ranking",
    "roc_curve": "ranking",
    "brier": "probability",
    "ece": "probability",
    "ece_debiased": "debiased",
    "BrierTerms": "brier_decomposition",
    "brier_terms": "brier_decomposition",
    "reliability": "probability",
    "Interval": "bootstrap",
    "bootstrap_interval": "bootstrap",
    "bootstrap_intervals": "bootstrap",
    "energy_inside": "localisation",
    "map_iou": "localisation",
    "pointing_game": "localisation",
}
__all__ = [
    "BrierTerms",
    "Interval",
    "accuracy",
    "auroc",
    "average_precision",
    "bootstrap_interval",
    "bootstrap_intervals",
    "brier",
    "brier_terms",
    "cohen_kappa",
    "confusion_counts",
    "ece",
    "ece_debiased",
    "energy_inside",
    "f1",
    "map_iou",
    "pointing_game",
    "pr_curve",
    "precision",
    "reliability",
    "roc_curve",
    "sensitivity",
    "specificity",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"ulna.metrics.{_HOME[name]}"), name)
    raise AttributeError(f"module 'ulna.metrics' has no attribute {name!r}")
