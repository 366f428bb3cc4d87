"""A `StudyPrediction`, or the reason why there is none, as a row of a table and as notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.cli.answer_words import (
    answer_word,
    leading_text,
    probability_text,
    regions_text,
    triage_word,
)

if TYPE_CHECKING:
    from ulna.runtime.answer_json import Outcome
    from ulna.types import StudyPrediction

COLUMNS = (
    "study",
    "body part",
    "answer",
    "probability",
    "threshold",
    "confidence",
    "finding",
    "triage",
    "views",
    "regions",
)


def outcome_row(outcome: Outcome, error_rate: float) -> list[str]:
    """Return `answer_row`, or a row with NO ANSWER under the same columns."""
    if outcome.answer is not None:
        return answer_row(outcome.answer, error_rate)
    study = outcome.study
    part = study.body_part.value if study.body_part else "-"
    empty = ["-"] * (len(COLUMNS) - 5)
    return [study.study_id, part, "NO ANSWER", *empty, str(len(study.images)), "-"]


def outcome_notes(outcome: Outcome) -> list[str]:
    """Return `answer_notes` and the errors of the study."""
    study = outcome.study.study_id
    if outcome.answer is None:
        return [f"{study}: no answer: {outcome.error}"]
    notes = answer_notes(outcome.answer)
    if outcome.map_error:
        notes.append(f"{study}: heat maps not written: {outcome.map_error}")
    return notes


def answer_row(prediction: StudyPrediction, error_rate: float) -> list[str]:
    """Return a row under COLUMNS. error_rate: of the triage."""
    part = prediction.body_part.value + ("" if prediction.body_part_given else " (recognised)")
    return [
        prediction.study.study_id,
        part,
        answer_word(prediction),
        probability_text(prediction),
        f"{prediction.threshold:.3f}",
        prediction.confidence or "-",
        leading_text(prediction),
        triage_word(prediction, error_rate),
        str(len(prediction.images)),
        regions_text(prediction),
    ]


def answer_notes(prediction: StudyPrediction) -> list[str]:
    """Return the reason of a refusal, the flags and the skipped experts, each as a line."""
    study = prediction.study.study_id
    notes = [f"{study}: refused: {prediction.refused}"] if prediction.refused else []
    notes += [f"{study}: {flag}" for flag in prediction.flags]
    if prediction.skipped_experts:
        run, skipped = ", ".join(prediction.experts), ", ".join(prediction.skipped_experts)
        notes.append(f"{study}: answered by {run} only; skipped: {skipped}")
    return notes
