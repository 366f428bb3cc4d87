"""Which calibration pays: temperature, offset, beta, isotonic, and how much shrinkage.

    python benchmarks/calibration_methods.py runs/cv/evaluation/predictions.csv
    python benchmarks/calibration_methods.py runs/demo/evaluation/predictions.csv --folds 5

Each method maps the uncalibrated study probability (`study_mean_of_experts`) to a calibrated one
and is fitted on the other folds: those of the table's `split`, or --folds by patient where the
table is of one evaluation. `product` is `study_probability`, as it stands there. Printed: ECE
(15 bins), its debiased form, log loss and Brier score with intervals over patients, and each
method's paired difference from temperature + offset by body part (`platt part`). `if calibrated`
is the plain ECE that a perfect model with the product's probabilities would have.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import optimize
from sklearn.isotonic import IsotonicRegression

from ulna.cli.output import print_table
from ulna.evaluation.scores import calibration_statistics
from ulna.metrics.bootstrap import Interval, Statistic, bootstrap_intervals, difference_of
from ulna.metrics.logistic import sigmoid
from ulna.metrics.probability import ece

Floats = npt.NDArray[np.float64]
Map = Callable[[Floats], Floats]
DRAWS = 2000
REFERENCE = "platt part"
SHOWN = ("ece", "ece_debiased", "log_loss", "brier")
# Standard deviations of the priors of a body part's slopes (log) and offset, as in fusion_fit.
SLOPE_SPREAD, OFFSET_SPREAD = 0.4, 0.7
# Studies at which a body part's own isotonic map weighs as much as what it is drawn to.
SHRINKAGE = 50.0


@dataclass(frozen=True)
class Answers:
    """(N,) each: of a predictions.csv, one entry for each labelled study."""

    patients: npt.NDArray[np.str_]
    parts: npt.NDArray[np.str_]
    folds: npt.NDArray[np.str_]
    abnormal: npt.NDArray[np.bool_]
    raw: Floats
    product: Floats


def read_answers(file: Path, n_folds: int, seed: int) -> Answers:
    with file.open(encoding="utf-8", newline="") as handle:
        rows = {
            r["study"]: r
            for r in csv.DictReader(handle)
            if r["abnormal"] and r["study_probability"]
        }
    lines = [rows[k] for k in sorted(rows)]
    patients = np.array([r["patient"] for r in lines])
    folds = np.array([r["split"] for r in lines])
    if n_folds:
        names, index = np.unique(patients, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(names))
        folds = np.char.add("fold", (order[index] % n_folds).astype(str))
    return Answers(
        patients,
        np.array([r["body_part"] for r in lines]),
        folds,
        np.array([r["abnormal"] == "1" for r in lines]),
        np.array([float(r["study_mean_of_experts"]) for r in lines]),
        np.array([float(r["study_probability"]) for r in lines]),
    )


def _logit(p: Floats) -> Floats:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p) - np.log1p(-p))


def _features(kind: str, p: Floats) -> Floats:
    """(N, F) whose weights, times exp of the parameters, add up to the logit."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    if kind == "beta":  # Kull, Silva Filho and Flach 2017: a ln p - b ln (1 - p) + c
        return np.stack([np.log(p), -np.log1p(-p)], axis=1)
    return _logit(p)[:, None]


def fit_parametric(
    kind: str, p: Floats, y: npt.NDArray[np.bool_], centre: Floats, spread: tuple[float, float]
) -> Floats:
    """Log slopes, then offset: maximum a posteriori with normal priors around `centre`."""
    x = _features(kind, p)

    def loss(w: Floats) -> float:
        z = x @ np.exp(w[:-1]) + w[-1]
        moved = (w - centre) / np.r_[np.full(len(w) - 1, spread[0]), spread[1]]
        return float(np.logaddexp(0, np.where(y, -z, z)).sum() + 0.5 * (moved**2).sum())

    bounds = [(-4.0, 4.0)] * (len(centre) - 1)
    bounds += [(0.0, 0.0) if kind == "temperature" else (-20.0, 20.0)]
    result = optimize.minimize(loss, centre, method="L-BFGS-B", bounds=bounds)
    return np.asarray(result.x)


def parametric(kind: str, by_part: bool, train: Answers) -> Callable[[str], Map]:
    start = np.zeros(3 if kind == "beta" else 2)
    pooled = fit_parametric(kind, train.raw, train.abnormal, start, (1.0, 2.0))

    def of(part: str) -> Map:
        own = train.parts == part
        w = pooled
        if by_part and min(train.abnormal[own].sum(), (~train.abnormal[own]).sum()) >= 8:
            spread = SLOPE_SPREAD, OFFSET_SPREAD
            w = fit_parametric(kind, train.raw[own], train.abnormal[own], pooled, spread)
        return lambda p: sigmoid(_features(kind, p) @ np.exp(w[:-1]) + w[-1])

    return of


def isotonic(train: Answers, shrink: bool) -> Callable[[str], Map]:
    """Of all parts together; with `shrink`, each part's own mixed with its temperature + offset."""
    platt = parametric("platt", True, train)

    def fitted(own: npt.NDArray[np.bool_]) -> Map:
        model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        model.fit(train.raw[own], train.abnormal[own])
        return lambda p: np.asarray(model.predict(p))

    def of(part: str) -> Map:
        own = train.parts == part
        if not shrink:
            return fitted(np.ones(len(own), np.bool_))
        base = platt(part)
        if not own.any():
            return base
        step, share = fitted(own), own.sum() / (own.sum() + SHRINKAGE)
        return lambda p: share * step(p) + (1 - share) * base(p)

    return of


METHODS: dict[str, Callable[[Answers], Callable[[str], Map]]] = {
    "uncalibrated": lambda train: lambda part: lambda p: p,
    "temperature": partial(parametric, "temperature", False),
    "platt": partial(parametric, "platt", False),
    REFERENCE: partial(parametric, "platt", True),
    "beta": partial(parametric, "beta", False),
    "beta part": partial(parametric, "beta", True),
    "isotonic": partial(isotonic, shrink=False),
    "isotonic part, shrunk": partial(isotonic, shrink=True),
}


def _where(answers: Answers, chosen: npt.NDArray[np.bool_]) -> Answers:
    return Answers(*(getattr(answers, n)[chosen] for n in Answers.__dataclass_fields__))


def cross_fitted(method: Callable[[Answers], Callable[[str], Map]], answers: Answers) -> Floats:
    result = np.empty(len(answers.raw))
    for fold in np.unique(answers.folds):
        of = method(_where(answers, answers.folds != fold))
        for part in np.unique(answers.parts):
            own = (answers.folds == fold) & (answers.parts == part)
            if own.any():
                result[own] = of(part)(answers.raw[own])
    return result


def statistics(answers: Answers, p: Floats) -> dict[str, Statistic]:
    q = np.clip(p, 1e-3, 1 - 1e-3)  # a step of isotonic regression says 0 or 1
    losses = -np.log(np.where(answers.abnormal, q, 1 - q))

    def log_loss(weights: Floats) -> Floats:
        return np.asarray(weights @ losses / weights.sum(axis=1))

    result = calibration_statistics(answers.abnormal, p) | {"log_loss": log_loss}
    return {n: result[n] for n in SHOWN}


def _cell(result: Interval, sign: str = "") -> str:
    return f"{result.value:{sign}.4f}\n{result.low:{sign}.3f} to {result.high:{sign}.3f}"


def if_calibrated(p: Floats) -> str:
    rng = np.random.default_rng(0)
    drawn = [ece(rng.random(len(p)) < p, p) for _ in range(1000)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{np.mean(drawn):.4f} ({low:.3f} to {high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--folds", type=int, default=0, help="by patient; 0: the table's own")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    answers = read_answers(given.predictions, given.folds, given.seed)
    message = {"product": answers.product} | {
        n: cross_fitted(m, answers) for n, m in METHODS.items()
    }
    stats = {n: statistics(answers, p) for n, p in message.items()}
    alone, minus = [], []
    for name, own in stats.items():
        result = bootstrap_intervals(answers.patients, own, DRAWS, 0)
        alone.append([name, *(_cell(result[m]) for m in SHOWN)])
        paired = {m: difference_of(own[m], stats[REFERENCE][m]) for m in SHOWN}
        result = bootstrap_intervals(answers.patients, paired, DRAWS, 0)
        minus.append([name, *(_cell(result[m], "+") for m in SHOWN)])
    counts = f"{len(answers.raw)} studies, {answers.abnormal.sum()} abnormal"
    print_table(f"{counts}, cross-fitted", ["method", *SHOWN], alone)
    print_table(f"minus {REFERENCE}, paired", ["method", *SHOWN], minus)
    print(f"plain ECE if calibrated: {if_calibrated(answers.product)}")


if __name__ == "__main__":
    main()
