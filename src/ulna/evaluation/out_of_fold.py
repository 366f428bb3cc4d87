"""Read out-of-fold answers of a method from its predictions.csv, and score and compare them.

Any program can be compared whose table has the columns `study`, `patient`, `body_part`, `split`
(the fold), `abnormal` (1 or 0, true or false) and `study_probability`. Its heat maps can be
compared if the table also has `pointing_game`, with one row for each image.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ulna.datasets.overlap import key_without_source, source_of_key
from ulna.errors import ConfigError, DatasetError
from ulna.evaluation.scores import Json, Resampling, calibration_statistics, interval_json
from ulna.metrics.bootstrap import Statistic, bootstrap_intervals, difference_of
from ulna.metrics.decisions import kappa_of, weighted_confusion
from ulna.metrics.inputs import Floats, ratio
from ulna.metrics.ranking import (
    weighted_auroc,
    weighted_average_precision,
    weighted_sensitivity_at,
)

_COLUMNS = ("study", "patient", "body_part", "split", "abnormal", "study_probability")
_LABELS = {"true": 1.0, "false": 0.0}
SPECIFICITY = 0.90
MEASURES = (
    "auroc", "average_precision", "sensitivity_at_specificity_0.90", "kappa", "brier", "ece",
    "ece_debiased", "pointing_game", "pointing_game_true_positives",
)  # fmt: skip
ALL = "all"


@dataclass(frozen=True)
class FoldAnswers:
    """Out-of-fold answers, (N,) each, ordered by study key.

    decision is at a threshold fitted on the other folds. placed is the number of a study's images
    with a known location of the finding, and hits the sum of the pointing game over these.
    """

    keys: tuple[str, ...]
    patients: tuple[str, ...]
    parts: tuple[str, ...]
    folds: tuple[str, ...]
    abnormal: npt.NDArray[np.bool_]
    probability: Floats
    decision: npt.NDArray[np.bool_]
    hits: Floats
    placed: Floats


def find_predictions(path: Path) -> Path:
    """Return `path`, a file, or the predictions.csv in that folder. Raises ConfigError."""
    if path.is_file():
        return path
    for file in (path / "evaluation" / "predictions.csv", path / "predictions.csv"):
        if file.is_file():
            return file
    raise ConfigError(
        f"{path}: no predictions.csv: expected the folder of `ulna crossval`, or the table of "
        "out-of-fold predictions itself"
    )


def read_answers(file: Path) -> FoldAnswers:
    """Return the scored studies of a predictions.csv, ordered by key.

    Raises ConfigError for a file that is missing or lacks a column, DatasetError for one that is
    not a CSV, has a cell that cannot be parsed, or has no labelled answers of two folds.
    """
    try:
        with file.open(encoding="utf-8", newline="") as handle:
            lines = list(csv.DictReader(handle))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file}: not a CSV in UTF-8: {error}") from None
    except FileNotFoundError:
        raise ConfigError(
            f"{file}: no such file: expected the out-of-fold predictions of a cross-validation"
        ) from None
    missing = [c for c in _COLUMNS if not lines or c not in lines[0]]
    if missing:
        raise ConfigError(f"{file}: columns {', '.join(missing)} are missing: expected {_COLUMNS}")
    studies = {r["study"]: r for r in lines if r["abnormal"] and r["study_probability"]}
    rows = [studies[k] for k in sorted(studies)]
    if len({r["split"] for r in rows}) < 2:
        raise DatasetError(f"{file}: {len(rows)} labelled answers of one fold: expected several")
    abnormal = np.array([_number(file, r, "abnormal") == 1 for r in rows], np.bool_)
    probability = np.array([_number(file, r, "study_probability") for r in rows])
    folds = tuple(r["split"] for r in rows)
    pointing = _pointing(file, lines)
    return FoldAnswers(
        keys=tuple(sorted(studies)),
        patients=tuple(r["patient"] for r in rows),
        parts=tuple(r["body_part"] for r in rows),
        folds=folds,
        abnormal=abnormal,
        probability=probability,
        decision=_cross_fitted(abnormal, probability, np.array(folds)),
        hits=np.array([sum(pointing.get(k, [])) for k in sorted(studies)]),
        placed=np.array([float(len(pointing.get(k, []))) for k in sorted(studies)]),
    )


def _number(file: Path, line: Mapping[str, str], column: str) -> float:
    """Return a number in [0, 1], or a label as 0 or 1. Raises DatasetError naming the study."""
    text = line[column]
    try:
        value = _LABELS[text.lower()] if text.lower() in _LABELS else float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1 or (column == "abnormal" and value not in (0, 1)):
        expected = "1 or 0" if column == "abnormal" else "a number from 0 to 1"
        raise DatasetError(f"{file}: study {line['study']}: {column} {text!r}: expected {expected}")
    return value


def of_folds(answers: FoldAnswers, folds: Sequence[str]) -> FoldAnswers:
    """Return the answers in `folds`, with thresholds fitted on these folds only.

    Raises ConfigError where a fold has no answers.
    """
    missing = sorted(set(folds) - set(answers.folds))
    if missing:
        raise ConfigError(f"no answers of {', '.join(missing)}: expected answers of every fold")
    return _where(answers, np.isin(answers.folds, list(folds)))


def of_source(answers: FoldAnswers, source: str) -> FoldAnswers:
    """Return the answers of one of several sources, under the keys that it has by itself."""
    own = _where(answers, np.array([source_of_key(k) == source for k in answers.keys], np.bool_))
    keys = [key_without_source(k, source) for k in own.keys]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
    return replace(_taken(own, order), keys=tuple(sorted(keys)))


def _where(answers: FoldAnswers, chosen: npt.NDArray[np.bool_]) -> FoldAnswers:
    """Return the chosen answers, with thresholds fitted on these only."""
    own = _taken(answers, np.flatnonzero(chosen))
    return replace(own, decision=_cross_fitted(own.abnormal, own.probability, np.array(own.folds)))


def _taken(answers: FoldAnswers, order: npt.NDArray[np.int64]) -> FoldAnswers:
    """Return the answers at the indices `order`."""
    values = ((f.name, getattr(answers, f.name)) for f in fields(answers))
    taken: dict[str, Any] = {
        name: tuple(v[i] for i in order) if isinstance(v, tuple) else v[order] for name, v in values
    }
    return FoldAnswers(**taken)


def _pointing(file: Path, lines: Sequence[Mapping[str, str]]) -> dict[str, list[float]]:
    """Return the pointing game of each image with a known location, by study."""
    hits: dict[str, list[float]] = {}
    for line in lines:
        if line.get("pointing_game"):
            hits.setdefault(line["study"], []).append(_number(file, line, "pointing_game"))
    return hits


def _cross_fitted(
    abnormal: npt.NDArray[np.bool_], probability: Floats, folds: npt.NDArray[np.str_]
) -> npt.NDArray[np.bool_]:
    """Return decisions at the threshold with a specificity of 0.90 on the other folds."""
    decision = np.zeros(len(abnormal), np.bool_)
    for fold in np.unique(folds):
        normal = probability[(folds != fold) & ~abnormal]
        threshold = np.quantile(normal, SPECIFICITY) if len(normal) else 0.5
        decision[folds == fold] = probability[folds == fold] > threshold
    return decision


def score(answers: FoldAnswers, chosen: npt.NDArray[np.bool_], resampling: Resampling) -> Json:
    """Return each of MEASURES of the `chosen` (N,) studies with its interval, and their numbers."""
    return _intervals(answers, chosen, _statistics(answers, chosen), resampling)


def difference(
    answers: FoldAnswers, other: FoldAnswers, chosen: npt.NDArray[np.bool_], resampling: Resampling
) -> Json:
    """Return each measure of `answers` minus that of `other`, on the same bootstrap draws.

    Raises ConfigError unless both answer the same studies, with the same labels, in the same
    folds.
    """
    if answers.keys != other.keys:
        only = sorted(set(answers.keys) ^ set(other.keys))
        raise ConfigError(
            f"{len(only)} studies are answered by only one of the two (first: {only[0]}): "
            "a paired difference needs the same studies"
        )
    if len(set(zip(answers.folds, other.folds, strict=True))) > len(set(answers.folds)):
        raise ConfigError("the two were not cross-validated on the same folds: use one seed")
    if (unequal := np.flatnonzero(answers.abnormal != other.abnormal)).size:
        raise ConfigError(
            f"{unequal.size} of {len(answers.keys)} studies have different labels in the two "
            f"(first: {answers.keys[unequal[0]]}): a paired difference needs the same labels; run "
            "both on the same data"
        )
    mine, theirs = _statistics(answers, chosen), _statistics(other, chosen)
    paired = {n: difference_of(mine[n], theirs[n]) for n in mine}
    return _intervals(answers, chosen, paired, resampling)


def _intervals(
    answers: FoldAnswers,
    chosen: npt.NDArray[np.bool_],
    wanted: dict[str, Statistic],
    resampling: Resampling,
) -> Json:
    patients = [p for p, c in zip(answers.patients, chosen, strict=True) if c]
    intervals = bootstrap_intervals(patients, wanted, resampling.draws, resampling.seed)
    counts = {"n_studies": int(chosen.sum()), "n_abnormal": int(answers.abnormal[chosen].sum())}
    return counts | {n: interval_json(i) for n, i in intervals.items()}


def _statistics(answers: FoldAnswers, chosen: npt.NDArray[np.bool_]) -> dict[str, Statistic]:
    truth, probability = answers.abnormal[chosen], answers.probability[chosen]
    decision = answers.decision[chosen]
    return {
        "auroc": partial(weighted_auroc, truth, probability),
        "average_precision": partial(weighted_average_precision, truth, probability),
        "sensitivity_at_specificity_0.90": partial(
            weighted_sensitivity_at, truth, probability, specificity=SPECIFICITY
        ),
        "kappa": lambda weights: kappa_of(weighted_confusion(truth, decision, weights)),
        **{n: s for n, s in calibration_statistics(truth, probability).items() if n in MEASURES},
        "pointing_game": partial(_hit_rate, answers.hits[chosen], answers.placed[chosen]),
        "pointing_game_true_positives": partial(
            _hit_rate, answers.hits[chosen] * decision, answers.placed[chosen] * decision
        ),
    }


def _hit_rate(hits: Floats, placed: Floats, weights: Floats) -> Floats:
    """Return the (D,) shares of hits, nan in draws without an image of known location."""
    return ratio(weights @ hits, weights @ placed)


def group_masks(
    answers: FoldAnswers, groups: Mapping[str, Mapping[str, str]]
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return `{group: (N,) bool}`, the studies of each group, first that of all studies.

    groups is `{name: {study key: value}}`. A study without a value is in no group of that name.
    """
    masks = {ALL: np.ones(len(answers.keys), np.bool_)}
    for name, value_of in groups.items():
        values = np.array([value_of.get(k, "") for k in answers.keys])
        for value in sorted(set(values) - {""}):
            masks[f"{name}: {value}"] = values == value
    return masks
