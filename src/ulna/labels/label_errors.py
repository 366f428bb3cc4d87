"""Labelled studies in the order in which their labels should be read again, with reasons."""

from __future__ import annotations

import csv
import re
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ulna.atomic_file import csv_bytes, write_atomic
from ulna.errors import DatasetError, DatasetWarning
from ulna.evaluation.out_of_fold import FoldAnswers, read_answers
from ulna.labels.label_quality import LabelQuality, label_quality
from ulna.metrics.inputs import Floats
from ulna.types import Study

Lines = Sequence[Mapping[str, str]]
_FOLD = re.compile(r"fold\d+")
_COLUMNS = (
    "rank",
    "study",
    "patient",
    "body_part",
    "fold",
    "label",
    "study_probability",
    "label_quality",
    "flagged",
    "reasons",
    "images",
)


@dataclass(frozen=True)
class LabelError:
    """A study's place in the list; a `StudyPrediction` knows nothing of other studies' labels.

    rank: from 1. fold: whose experts have not seen it. probability: out of fold, of being
    abnormal. quality: of the label, see `label_quality`. reasons: short sentences.
    """

    rank: int
    study: Study
    body_part: str
    fold: str
    probability: float
    quality: float
    flagged: bool
    reasons: tuple[str, ...]

    @property
    def label(self) -> str:
        """The given label in a word."""
        return label_word(bool(self.study.abnormal))


def label_word(abnormal: bool) -> str:
    """'abnormal' or 'normal'."""
    return "abnormal" if abnormal else "normal"


def rank_labels(studies: Sequence[Study], predictions: Path) -> list[LabelError]:
    """The labelled `studies` that `predictions` answers out of fold, most suspicious first.

    predictions: a predictions.csv of a cross-validation (see evaluation.out_of_fold). A study
    whose label is another one today is ranked by today's, with a DatasetWarning, as are answers
    to studies that are not there. Raises ConfigError for a file that is missing or lacks a
    column, DatasetError for answers that are not out of fold, fit no study or leave one class.
    """
    answers, remarks = _read(predictions)
    chosen, places = _matched(studies, answers, predictions)
    abnormal = np.array([bool(s.abnormal) for s in chosen], np.bool_)
    _tell_differences(
        len(answers.keys) - len(chosen), int((abnormal != answers.abnormal[places]).sum())
    )
    parts = [answers.parts[i] for i in places]
    probability = answers.probability[places]
    quality = label_quality(abnormal, probability, parts)
    message = _reasons(chosen, parts, probability, quality)
    return [
        LabelError(
            rank=rank,
            study=chosen[i],
            body_part=parts[i],
            fold=answers.folds[places[i]],
            probability=float(probability[i]),
            quality=float(quality.score[i]),
            flagged=bool(quality.flagged[i]),
            reasons=(*message[i], *remarks[chosen[i].key]),
        )
        for rank, i in enumerate(np.argsort(quality.score, kind="stable").tolist(), start=1)
    ]


def _read(predictions: Path) -> tuple[FoldAnswers, dict[str, list[str]]]:
    """The answers, if all are out of fold, and what the table says beside them, by study."""
    try:
        lines = _lines_by_study(predictions)
        _check_out_of_fold(predictions, [own[0] for own in lines.values()])
        remarks = {key: _remarks(own) for key, own in lines.items()}
        return read_answers(predictions), remarks
    except (ValueError, csv.Error) as error:
        raise DatasetError(f"{predictions}: damaged ({error}): run `ulna crossval` again") from None


def _lines_by_study(predictions: Path) -> dict[str, Lines]:
    """Empty where there is no such file: `read_answers` says it better."""
    if not predictions.is_file():
        return {}
    result: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    with predictions.open(encoding="utf-8", newline="") as handle:
        for line in csv.DictReader(handle, restval=""):
            result[line.get("study", "")].append(line)
    return dict(result)


def _check_out_of_fold(predictions: Path, studies: Lines) -> None:
    """DatasetError for answers of experts that may have learned from the labels."""
    splits = [s.get("split", "fold0") for s in studies if s.get("study_probability")]
    seen = [s for s in splits if not _FOLD.fullmatch(s)]
    if seen:
        names = ", ".join(sorted({repr(s) for s in seen}))
        raise DatasetError(
            f"{predictions}: {len(seen)} of {len(splits)} answers are not out of fold (split "
            f"{names}, expected fold0, fold1, ...): experts agree with labels they have "
            "learned from; give the folder of `ulna crossval`"
        )


def _matched(
    studies: Sequence[Study], answers: FoldAnswers, predictions: Path
) -> tuple[list[Study], list[int]]:
    """The labelled studies that are answered, and where their answers stand."""
    known = {s.key: s for s in studies if s.abnormal is not None}
    places = [i for i, k in enumerate(answers.keys) if k in known]
    if not places:
        raise DatasetError(
            f"{predictions}: none of its {len(answers.keys)} studies ({answers.keys[0]}, ...) is "
            f"among the {len(known)} labelled ones of DATA: give the data of the cross-validation"
        )
    return [known[answers.keys[i]] for i in places], places


def _tell_differences(gone: int, relabelled: int) -> None:
    if gone:
        warnings.warn(
            f"{gone} predictions are of studies that DATA does not have with a label: left out",
            DatasetWarning,
            stacklevel=3,
        )
    if relabelled:
        warnings.warn(
            f"{relabelled} labels of DATA are others than those of the cross-validation: DATA's "
            "count here; experts have learned from the old ones",
            DatasetWarning,
            stacklevel=3,
        )


def _reasons(
    studies: Sequence[Study], parts: Sequence[str], probability: Floats, quality: LabelQuality
) -> list[list[str]]:
    """What the probabilities say against each label, beside those of the same body part."""
    abnormal = np.array([bool(s.abnormal) for s in studies], np.bool_)
    groups, message = np.array(parts), [[""]] * len(parts)
    for part in sorted(set(parts)):
        for label in (False, True):
            own = np.flatnonzero((groups == part) & (abnormal == label))
            own = own[np.argsort(quality.score[own], kind="stable")]
            among = (
                f"of {len(own)} {part.lower() or 'unknown'} studies labelled {label_word(label)}"
            )
            for place, i in enumerate(own.tolist(), start=1):
                message[i] = [
                    f"labelled {label_word(label)}, given {probability[i]:.2f} for abnormal by "
                    "experts that have not seen it",
                    f"number {place} {among}, the least like the label first",
                    *_flag(quality, i, label, part),
                ]
    return message


def _flag(quality: LabelQuality, i: int, label: bool, part: str) -> list[str]:
    if not quality.flagged[i]:
        return []
    bound = float(quality.bound[i])
    side, value = ("at most", 1 - bound) if label else ("at least", bound)
    among = f"{part.lower()} studies" if quality.own[i] else "all studies"
    return [f"flagged: {side} {value:.2f}, the mean of {among} labelled {label_word(not label)}"]


def _remarks(lines: Lines) -> list[str]:
    """What the table's other columns add: the views, and another body part recognised."""
    message = []
    views = [
        f"{line.get('view') or f'image {n}'} {float(line['image_probability']):.2f}"
        for n, line in enumerate(lines, start=1)
        if line.get("image_probability")
    ]
    if len(views) > 1:
        message.append("by view: " + ", ".join(views))
    part, recognised = (lines[0].get(c, "") for c in ("body_part", "recognised_part"))
    if recognised and part and recognised != part:
        message.append(f"looks like {recognised.lower()}, not {part.lower()}")
    return message


def write_label_errors(label_errors: Sequence[LabelError], out: Path) -> None:
    """Write the whole list as a CSV; reasons and image paths are joined by '; '.

    Bytes of a file's name that are no UTF-8 appear as `\\udcXX`.
    """
    rows = (dict(zip(_COLUMNS, _row(s), strict=True)) for s in label_errors)
    write_atomic(out, csv_bytes(_COLUMNS, rows))


def _row(label_error: LabelError) -> tuple[str, ...]:
    return (
        str(label_error.rank),
        label_error.study.key,
        label_error.study.patient_id,
        label_error.body_part,
        label_error.fold,
        label_error.label,
        f"{label_error.probability:.6g}",
        f"{label_error.quality:.6g}",
        str(int(label_error.flagged)),
        "; ".join(label_error.reasons),
        "; ".join(str(i.path) for i in label_error.study.images),
    )
