"""What the verbs of `ulna` do, as functions: steps in order, each done once, resumable.

Every function takes the flags of its verb as keyword arguments, with the same names and defaults,
tells how far it is through a plain `progress(stage, done, all)`, warns with `UlnaWarning`, and
prints nothing. Remarks go to the logger 'ulna.experiments'.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.experiments.answers import TableResult, predict, predict_table
    from ulna.experiments.audits import Audit, MuraScores, audit, score
    from ulna.experiments.bundle_changes import adapt, calibrate, quantise
    from ulna.experiments.bundle_checks import Examined, evaluate, examine, stress
    from ulna.experiments.crossval import CrossvalResult, cross_validate
    from ulna.experiments.demo import DemoResult, run_demo
    from ulna.experiments.ensembles import ensemble
    from ulna.experiments.incomplete import check_outcomes, check_scored
    from ulna.experiments.inventory import count_studies, describe_installation
    from ulna.experiments.receipts import named_command
    from ulna.experiments.review import ReviewResult, review_labels
    from ulna.experiments.runs import explain, self_supervise, train
    from ulna.experiments.student import distil
    from ulna.experiments.student_folds import FoldsTaught, distil_folds
    from ulna.experiments.verification import Verified, verify

__all__ = [
    "Audit",
    "CrossvalResult",
    "DemoResult",
    "Examined",
    "FoldsTaught",
    "MuraScores",
    "ReviewResult",
    "TableResult",
    "Verified",
    "adapt",
    "audit",
    "calibrate",
    "check_outcomes",
    "check_scored",
    "count_studies",
    "cross_validate",
    "describe_installation",
    "distil",
    "distil_folds",
    "ensemble",
    "evaluate",
    "examine",
    "explain",
    "named_command",
    "predict",
    "predict_table",
    "quantise",
    "review_labels",
    "run_demo",
    "score",
    "self_supervise",
    "stress",
    "train",
    "verify",
]

_MODULES = {
    "Audit": "audits",
    "CrossvalResult": "crossval",
    "DemoResult": "demo",
    "Examined": "bundle_checks",
    "FoldsTaught": "student_folds",
    "MuraScores": "audits",
    "ReviewResult": "review",
    "TableResult": "answers",
    "Verified": "verification",
    "adapt": "bundle_changes",
    "audit": "audits",
    "calibrate": "bundle_changes",
    "check_outcomes": "incomplete",
    "check_scored": "incomplete",
    "count_studies": "inventory",
    "cross_validate": "crossval",
    "describe_installation": "inventory",
    "distil": "student",
    "distil_folds": "student_folds",
    "ensemble": "ensembles",
    "evaluate": "bundle_checks",
    "examine": "bundle_checks",
    "explain": "runs",
    "named_command": "receipts",
    "predict": "answers",
    "predict_table": "answers",
    "quantise": "bundle_changes",
    "review_labels": "review",
    "run_demo": "demo",
    "score": "audits",
    "self_supervise": "runs",
    "stress": "bundle_checks",
    "train": "runs",
    "verify": "verification",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'ulna.experiments' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ulna.experiments.{_MODULES[name]}"), name)
