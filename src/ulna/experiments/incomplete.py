"""How work ends that has answers for some studies and none for others: with reasons."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ulna.errors import ImageError, IncompleteError, UlnaError, UlnaWarning

if TYPE_CHECKING:
    from ulna.runtime.answer_json import Outcome


def check_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Raise what `ulna predict` ends with where a study has no answer, or no pictures of its maps.

    IncompleteError; where no study has an answer what the first one failed with, or an ImageError
    that counts them if they failed alike.
    """
    from ulna.evaluation.unanswered import fault_kind, reasons, reasons_json, reasons_text

    faults = [o for o in outcomes if o.fault is not None]
    if faults and len(faults) == len(outcomes):
        raise _none(faults)
    result = reasons((o.study.study_id, o.error, fault_kind(o.error, o.study)) for o in faults)
    maps = reasons(
        (o.study.study_id, o.map_error, fault_kind(o.map_error, o.study))
        for o in outcomes
        if o.map_error
    )
    n = len(outcomes)
    message = [
        reasons_text(f"{len(faults)} of {n} studies have no answer", reasons_json(result)),
        reasons_text(
            f"of {sum(r.n for r in maps)} of {n} studies not all heat maps could be written",
            reasons_json(maps),
        ),
    ]
    if any(message):
        raise IncompleteError("\n".join(filter(None, message)))


def _none(faults: Sequence[Outcome]) -> Exception:
    from ulna.evaluation.unanswered import fault_kind, reasons, reasons_json, reasons_text

    first = faults[0].fault
    assert first is not None
    if len(faults) == 1 or not isinstance(first, UlnaError):
        return first
    result = reasons((o.study.study_id, o.error, fault_kind(o.error, o.study)) for o in faults)
    message = reasons_text(f"none of {len(faults)} studies has an answer", reasons_json(result))
    alike = all(isinstance(o.fault, ImageError) for o in faults)
    return ImageError(message) if alike else IncompleteError(message)


def check_scored(metrics: Mapping[str, Any]) -> None:
    """Raise IncompleteError where studies of metrics.json have no answer, or masks are of no use.

    Single images that could not be read are said in a note: their studies have answers.
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
    """Which studies of metrics.json have no answer, and masks no use, by reason; '' for none."""
    from ulna.evaluation.unanswered import reasons_text

    faults, masks = metrics.get("no_answer", []), metrics.get("no_place", [])
    n = sum(r["n"] for r in faults)
    message = [
        reasons_text(f"{n} of {metrics.get('n_given', n)} studies have no answer", faults),
        reasons_text(
            f"{sum(r['n'] for r in masks)} masks could not be used: the maps of their images are "
            "not scored",
            masks,
        ),
    ]
    return "\n".join(filter(None, message))
