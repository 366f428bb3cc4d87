"""Rank labelled studies by how likely their label is wrong, with reasons."""

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
    "rank", "study", "patient", "body_part", "fold", "label", "study_probability",
    "label_quality", "flagged", "reasons", "images",
)  # fmt: skip


@dataclass(frozen=True)
class LabelError:
    """A candidate for a label error.

    rank counts from 1. probability is the out-of-fold probability of abnormal, by experts that were
    not trained on `fold`. quality is that of the label, see `label_quality`. reasons are short
    sentences.
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
        """The study's label, 'abnormal' or 'normal'."""
        return _label_word(bool(self.study.abnormal))


def _label_word(abnormal: bool) -> str:
    """Return 'abnormal' or 'normal'."""
    return "abnormal" if abnormal else "normal"


def rank_labels(studies: Sequence[Study], predictions: Path) -> list[LabelError]:
    """Return the labelled `studies` with out-of-fold predictions, the most likely errors first.

    `predictions` is the predictions.csv of a cross-validation (see evaluation.out_of_fold). Warns
    with DatasetWarning of studies whose label has changed since, which are ranked by their present
    label, and of predictions for other studies, which are left out. Raises ConfigError for a file
    that is missing or lacks a column, DatasetError for predictions that are not out of fold or
    match none of the studies, and for labels of one class only.
    """
    answers, remarks = _read(predictions)
    chosen, indices = _matched(studies, answers, predictions)
    abnormal = np.array([bool(s.abnormal) for s in chosen], np.bool_)
    _warn_of_differences(
        len(answers.keys) - len(chosen), int((abnormal != answers.abnormal[indices]).sum())
    )
    parts = [answers.parts[i] for i in indices]
    probability = answers.probability[indices]
    quality = label_quality(abnormal, probability, parts)
    reasons = _reasons(chosen, parts, probability, quality)
    return [
        LabelError(
            rank=rank,
            study=chosen[i],
            body_part=parts[i],
            fold=answers.folds[indices[i]],
            probability=float(probability[i]),
            quality=float(quality.score[i]),
            flagged=bool(quality.flagged[i]),
            reasons=(*reasons[i], *remarks[chosen[i].key]),
        )
        for rank, i in enumerate(np.argsort(quality.score, kind="stable").tolist(), start=1)
    ]


def _read(predictions: Path) -> tuple[FoldAnswers, dict[str, list[str]]]:
    """Return the out-of-fold answers, and remarks from other columns of the table by study."""
    try:
        lines = _lines_by_study(predictions)
        _check_out_of_fold(predictions, [own[0] for own in lines.values()])
        remarks = {key: _remarks(own) for key, own in lines.items()}
        return read_answers(predictions), remarks
    except (ValueError, csv.Error) as error:
        raise DatasetError(f"{predictions}: damaged ({error}): run `ulna crossval` again") from None


def _lines_by_study(predictions: Path) -> dict[str, Lines]:
    """Return the table's lines by study, none for a missing file, which `read_answers` reports."""
    if not predictions.is_file():
        return {}
    lines: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    with predictions.open(encoding="utf-8", newline="") as handle:
        for line in csv.DictReader(handle, restval=""):
            lines[line.get("study", "")].append(line)
    return dict(lines)


def _check_out_of_fold(predictions: Path, studies: Lines) -> None:
    """Raise DatasetError for answers of experts that may have been trained on the labels."""
    splits = [s.get("split", "fold0") for s in studies if s.get("study_probability")]
    seen = [s for s in splits if not _FOLD.fullmatch(s)]
    if seen:
        names = ", ".join(sorted({repr(s) for s in seen}))
        raise DatasetError(
            f"{predictions}: {len(seen)} of {len(splits)} answers are not out of fold (split "
            f"{names}, expected fold0, fold1, ...): experts agree with labels that they were "
            "trained on; give the folder of `ulna crossval`"
        )


def _matched(
    studies: Sequence[Study], answers: FoldAnswers, predictions: Path
) -> tuple[list[Study], list[int]]:
    """Return the labelled studies that are answered, and the indices of their answers."""
    known = {s.key: s for s in studies if s.abnormal is not None}
    indices = [i for i, k in enumerate(answers.keys) if k in known]
    if not indices:
        raise DatasetError(
            f"{predictions}: none of its {len(answers.keys)} studies ({answers.keys[0]}, ...) is "
            f"among the {len(known)} labelled ones of DATA: give the data of the cross-validation"
        )
    return [known[answers.keys[i]] for i in indices], indices


def _warn_of_differences(gone: int, relabelled: int) -> None:
    if gone:
        warnings.warn(
            f"{gone} predictions are left out: DATA has no such studies, or no labels of them",
            DatasetWarning,
            stacklevel=3,
        )
    if relabelled:
        warnings.warn(
            f"{relabelled} labels of DATA differ from those of the cross-validation: studies are "
            "ranked by those of DATA, but experts were trained on the old ones",
            DatasetWarning,
            stacklevel=3,
        )


def _reasons(
    studies: Sequence[Study], parts: Sequence[str], probability: Floats, quality: LabelQuality
) -> list[list[str]]:
    """Return the evidence against each label, relative to studies of the same body part."""
    abnormal = np.array([bool(s.abnormal) for s in studies], np.bool_)
    groups, reasons = np.array(parts), [[""]] * len(parts)
    for part in sorted(set(parts)):
        for label in (False, True):
            own = np.flatnonzero((groups == part) & (abnormal == label))
            own = own[np.argsort(quality.score[own], kind="stable")]
            among = (
                f"of {len(own)} {part.lower() or 'unknown'} studies labelled {_label_word(label)}"
            )
            for place, i in enumerate(own.tolist(), start=1):
                reasons[i] = [
                    f"labelled {_label_word(label)}, but probability of abnormal "
                    f"{probability[i]:.2f} by experts that were not trained on it",
                    f"number {place} {among}, in order of rising label quality",
                    *_flag(quality, i, label, part),
                ]
    return reasons


def _flag(quality: LabelQuality, i: int, label: bool, part: str) -> list[str]:
    if not quality.flagged[i]:
        return []
    bound = float(quality.bound[i])
    side, value = ("at most", 1 - bound) if label else ("at least", bound)
    among = f"{part.lower()} studies" if quality.own[i] else "all studies"
    return [f"flagged: {side} {value:.2f}, the mean of {among} labelled {_label_word(not label)}"]


def _remarks(lines: Lines) -> list[str]:
    """Return remarks on the probabilities by view, and on another predicted body part."""
    remarks = []
    views = [
        f"{line.get('view') or f'image {n}'} {float(line['image_probability']):.2f}"
        for n, line in enumerate(lines, start=1)
        if line.get("image_probability")
    ]
    if len(views) > 1:
        remarks.append("by view: " + ", ".join(views))
    part, predicted = (lines[0].get(c, "") for c in ("body_part", "recognised_part"))
    if predicted and part and predicted != part:
        remarks.append(f"looks like {predicted.lower()}, not {part.lower()}")
    return remarks


def write_label_errors(label_errors: Sequence[LabelError], out: Path) -> None:
    """Write the whole list as a CSV; reasons and image paths are joined by '; '.

    Bytes of a file's name that are not UTF-8 appear as `\\udcXX`.
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
