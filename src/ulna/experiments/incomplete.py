"""The errors that report studies without an answer, with the reasons."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ulna.errors import ImageError, IncompleteError, UlnaError, UlnaWarning

if TYPE_CHECKING:
    from ulna.runtime.answer_json import Outcome


def check_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Raise IncompleteError where studies have no answer, or heat maps could not be written.

    Where no study has an answer, raises the error of the only study, or an ImageError that counts
    the studies if all failed with one.
    """
    from ulna.evaluation.unanswered import fault_kind, reasons, reasons_json, reasons_text

    failed = [o for o in outcomes if o.fault is not None]
    if failed and len(failed) == len(outcomes):
        raise _error_of_all(failed)
    answers = reasons((o.study.study_id, o.error, fault_kind(o.error, o.study)) for o in failed)
    maps = reasons(
        (o.study.study_id, o.map_error, fault_kind(o.map_error, o.study))
        for o in outcomes
        if o.map_error
    )
    n = len(outcomes)
    messages = [
        reasons_text(f"{len(failed)} of {n} studies have no answer", reasons_json(answers)),
        reasons_text(
            f"of {sum(r.n for r in maps)} of {n} studies not all heat maps could be written",
            reasons_json(maps),
        ),
    ]
    if any(messages):
        raise IncompleteError("\n".join(filter(None, messages)))


def _error_of_all(failed: Sequence[Outcome]) -> Exception:
    from ulna.evaluation.unanswered import fault_kind, reasons, reasons_json, reasons_text

    first = failed[0].fault
    assert first is not None
    if len(failed) == 1 or not isinstance(first, UlnaError):
        return first
    answers = reasons((o.study.study_id, o.error, fault_kind(o.error, o.study)) for o in failed)
    message = reasons_text(f"none of {len(failed)} studies has an answer", reasons_json(answers))
    alike = all(isinstance(o.fault, ImageError) for o in failed)
    return ImageError(message) if alike else IncompleteError(message)


def check_scored(metrics: Mapping[str, Any]) -> None:
    """Raise IncompleteError where studies of metrics.json have no answer, or masks are unusable.

    Single unreadable images only cause a warning, since their studies have answers.
    """
    if skipped := metrics.get("n_unreadable_images", 0):
        warnings.warn(
            f"{skipped} images of answered studies could not be read: see the column 'error' of "
            "predictions.csv",
            UlnaWarning,
            stacklevel=2,
        )
    if message := unscored(metrics):
        raise IncompleteError(f"{message}\nall others are scored")


def unscored(metrics: Mapping[str, Any]) -> str:
    """Return a report of unanswered studies and unusable masks in metrics.json; '' for none."""
    from ulna.evaluation.unanswered import reasons_text

    faults, masks = metrics.get("no_answer", []), metrics.get("no_place", [])
    n = sum(r["n"] for r in faults)
    messages = [
        reasons_text(f"{n} of {metrics.get('n_given', n)} studies have no answer", faults),
        reasons_text(
            f"{sum(r['n'] for r in masks)} masks could not be used: the maps of their images are "
            "not scored",
            masks,
        ),
    ]
    return "\n".join(filter(None, messages))
