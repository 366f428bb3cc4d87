"""Out-of-fold answers of a method, read back from its predictions.csv, and their scores.

What is compared are tables, not models: any program that writes the columns `study`,
`patient`, `body_part`, `split` (the fold), `abnormal` (1 or 0, true or false) and
`study_probability` can be compared.
Where it writes `pointing_game` too (one row per image), its maps can be.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ulna.datasets.overlap import key_without_source, source_of_key
from ulna.errors import ConfigError, DatasetError
from ulna.evaluation.scores import Json, Resampling, calibration_statistics, interval_json
from ulna.metrics.bootstrap import Statistic, bootstrap_intervals, difference_of
from ulna.metrics.decisions import DECISION_MEASURES, weighted_confusion
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
    "auroc",
    "average_precision",
    "sensitivity_at_specificity_0.90",
    "kappa",
    "brier",
    "ece",
    "ece_debiased",
    "pointing_game",
    "pointing_game_true_positives",
)
ALL = "all"


@dataclass(frozen=True)
class FoldAnswers:
    """(N,) each, by study key. decision: at a threshold fitted on the other folds.

    hits, placed: of the pointing game: summed over the study's images of known place, and their
    number, 0 where none is.
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


def find_predictions(given: Path) -> Path:
    """The predictions.csv that `given` is or holds. Raises ConfigError where there is none."""
    if given.is_file():
        return given
    for file in (given / "evaluation" / "predictions.csv", given / "predictions.csv"):
        if file.is_file():
            return file
    raise ConfigError(
        f"{given}: no predictions.csv: expected the folder of `ulna crossval`, or the table of "
        "out-of-fold predictions itself"
    )


def read_answers(file: Path) -> FoldAnswers:
    """The scored studies of a predictions.csv, ordered by key.

    Raises ConfigError for a file that is missing or lacks a column, DatasetError for one that is
    no CSV, has a cell that is not understood, or has no labelled answers of two folds.
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
    """A share in [0, 1], of labels 0 or 1. Raises DatasetError naming the study."""
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
    """The answers in `folds` alone, their decisions fitted on these alone too.

    Raises ConfigError where a fold has no answers.
    """
    missing = sorted(set(folds) - set(answers.folds))
    if missing:
        raise ConfigError(f"no answers of {', '.join(missing)}: expected some of every fold asked")
    return _where(answers, np.isin(answers.folds, list(folds)))


def of_source(answers: FoldAnswers, source: str) -> FoldAnswers:
    """The answers of one of several sources, under the keys that it has by itself."""
    own = _where(answers, np.array([source_of_key(k) == source for k in answers.keys], np.bool_))
    keys = [key_without_source(k, source) for k in own.keys]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
    return replace(_taken(own, order), keys=tuple(sorted(keys)))


def _where(answers: FoldAnswers, chosen: npt.NDArray[np.bool_]) -> FoldAnswers:
    """The answers chosen, their decisions fitted on these alone."""
    own = _taken(answers, np.flatnonzero(chosen))
    return replace(own, decision=_cross_fitted(own.abnormal, own.probability, np.array(own.folds)))


def _taken(answers: FoldAnswers, order: npt.NDArray[np.int64]) -> FoldAnswers:
    """The answers in another order, or some of them."""
    return FoldAnswers(
        keys=tuple(answers.keys[i] for i in order),
        patients=tuple(answers.patients[i] for i in order),
        parts=tuple(answers.parts[i] for i in order),
        folds=tuple(answers.folds[i] for i in order),
        abnormal=answers.abnormal[order],
        probability=answers.probability[order],
        decision=answers.decision[order],
        hits=answers.hits[order],
        placed=answers.placed[order],
    )


def _pointing(file: Path, lines: Sequence[Mapping[str, str]]) -> dict[str, list[float]]:
    """The pointing game of each image of known place, by study."""
    result: dict[str, list[float]] = {}
    for line in lines:
        if line.get("pointing_game"):
            hit = _number(file, line, "pointing_game")
            result.setdefault(line["study"], []).append(hit)
    return result


def _cross_fitted(
    abnormal: npt.NDArray[np.bool_], probability: Floats, folds: npt.NDArray[np.str_]
) -> npt.NDArray[np.bool_]:
    """Decisions at the threshold that gives the other folds a specificity of 0.90."""
    decision = np.zeros(len(abnormal), np.bool_)
    for fold in np.unique(folds):
        normal = probability[(folds != fold) & ~abnormal]
        threshold = np.quantile(normal, SPECIFICITY) if len(normal) else 0.5
        decision[folds == fold] = probability[folds == fold] > threshold
    return decision


def score(answers: FoldAnswers, chosen: npt.NDArray[np.bool_], resampling: Resampling) -> Json:
    """Each of MEASURES of the chosen (N,) studies with its interval, and their numbers."""
    result = bootstrap_intervals(
        _of(answers.patients, chosen),
        _statistics(answers, chosen),
        resampling.draws,
        resampling.seed,
    )
    return _counts(answers, chosen) | {n: interval_json(i) for n, i in result.items()}


def difference(
    answers: FoldAnswers, other: FoldAnswers, chosen: npt.NDArray[np.bool_], resampling: Resampling
) -> Json:
    """Each measure of `answers` minus that of `other`, both on the same bootstrap draws.

    Raises ConfigError unless both answer the same studies, with the same labels, in the same
    folds.
    """
    if answers.keys != other.keys:
        only = sorted(set(answers.keys) ^ set(other.keys))
        raise ConfigError(
            f"{len(only)} studies are answered by one of the two only (first: {only[0]}): "
            "a paired difference needs the same studies"
        )
    if len(set(zip(answers.folds, other.folds, strict=True))) > len(set(answers.folds)):
        raise ConfigError("the two were not cross-validated on the same folds: use one seed")
    if (apart := np.flatnonzero(answers.abnormal != other.abnormal)).size:
        raise ConfigError(
            f"of {len(answers.keys)} studies {apart.size} have one label here and another there "
            f"(first: {answers.keys[apart[0]]}): a paired difference needs the same truth; run "
            "both on the same data"
        )
    mine, theirs = _statistics(answers, chosen), _statistics(other, chosen)
    paired = {n: difference_of(mine[n], theirs[n]) for n in mine}
    patients = _of(answers.patients, chosen)
    result = bootstrap_intervals(patients, paired, resampling.draws, resampling.seed)
    return _counts(answers, chosen) | {n: interval_json(i) for n, i in result.items()}


def _of(values: Sequence[str], chosen: npt.NDArray[np.bool_]) -> list[str]:
    return [v for v, c in zip(values, chosen, strict=True) if c]


def _counts(answers: FoldAnswers, chosen: npt.NDArray[np.bool_]) -> Json:
    return {"n_studies": int(chosen.sum()), "n_abnormal": int(answers.abnormal[chosen].sum())}


def _statistics(answers: FoldAnswers, chosen: npt.NDArray[np.bool_]) -> dict[str, Statistic]:
    truth, probability = answers.abnormal[chosen], answers.probability[chosen]
    decision = answers.decision[chosen]

    def kappa(weights: Floats) -> Floats:
        return DECISION_MEASURES["kappa"](weighted_confusion(truth, decision, weights))

    def sensitivity(weights: Floats) -> Floats:
        return weighted_sensitivity_at(truth, probability, weights, SPECIFICITY)

    return {
        "auroc": partial(weighted_auroc, truth, probability),
        "average_precision": partial(weighted_average_precision, truth, probability),
        "sensitivity_at_specificity_0.90": sensitivity,
        "kappa": kappa,
        **{n: s for n, s in calibration_statistics(truth, probability).items() if n in MEASURES},
        "pointing_game": partial(_hit_rate, answers.hits[chosen], answers.placed[chosen]),
        "pointing_game_true_positives": partial(
            _hit_rate, answers.hits[chosen] * decision, answers.placed[chosen] * decision
        ),
    }


def _hit_rate(hits: Floats, placed: Floats, weights: Floats) -> Floats:
    """Hits over images, (D,); nan in draws without an image of known place."""
    return ratio(weights @ hits, weights @ placed)


def group_masks(
    answers: FoldAnswers, groups: Mapping[str, Mapping[str, str]]
) -> dict[str, npt.NDArray[np.bool_]]:
    """Which studies stand in each group: `{group: (N,) bool}`, all of them first.

    groups: `{name: {study key: value}}`; a study without a value is in no group of the name.
    """
    result = {ALL: np.ones(len(answers.keys), np.bool_)}
    for name, value_of in groups.items():
        values = np.array([value_of.get(k, "") for k in answers.keys])
        for value in sorted(set(values) - {""}):
            result[f"{name}: {value}"] = values == value
    return result
