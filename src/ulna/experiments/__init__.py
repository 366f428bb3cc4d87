"""What the verbs of `ulna` do, as functions: steps in order, each done once, resumable.

Every function takes the flags of its verb as keyword arguments, with the same names and defaults,
tells how far it is through a plain `progress(stage, done, all)`, warns with `UlnaWarning`, and
prints nothing. Remarks go to the logger 'ulna.experiments'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

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

__getattr__ = lazy_getattr(
    __name__,
    {
        "answers": ("TableResult", "predict", "predict_table"),
        "audits": ("Audit", "MuraScores", "audit", "score"),
        "bundle_changes": ("adapt", "calibrate", "quantise"),
        "bundle_checks": ("Examined", "evaluate", "examine", "stress"),
        "crossval": ("CrossvalResult", "cross_validate"),
        "demo": ("DemoResult", "run_demo"),
        "ensembles": ("ensemble",),
        "incomplete": ("check_outcomes", "check_scored"),
        "inventory": ("count_studies", "describe_installation"),
        "receipts": ("named_command",),
        "review": ("ReviewResult", "review_labels"),
        "runs": ("explain", "self_supervise", "train"),
        "student": ("distil",),
        "student_folds": ("FoldsTaught", "distil_folds"),
        "verification": ("Verified", "verify"),
    },
)
