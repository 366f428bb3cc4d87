"""A second source in training, by heads alone: what its score is worth, and body parts of others.

    python benchmarks/second_source.py FILMS.npz [MORE.npz ...] --own fracatlas \
        --second mendeley_wrist --out second_source.json

FILMS: of `second_source_films.py`. Trunks stay as the first source has taught them. A head is a
logistic regression on the standardised features of one fold's graph, with that graph's own logit as
one feature more that is not penalised; classes weigh alike within a source, and sources alike
(`source_balance` 1). It is fitted on hand and wrist films of the first source that the graph's
trunk has not learned from, and on those of the second, and answers each by cross-validation over
patients (5 folds): heads of the first source alone, of both, of the second alone. So it is what a
second source brings to heads, not to trunks.

Body parts of another hospital: `second_source_parts.py`, on the same files.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from ulna.evaluation.scores import Json, Resampling, interval_json
from ulna.metrics.bootstrap import Statistic, bootstrap_intervals, difference_of
from ulna.metrics.logistic import sigmoid
from ulna.metrics.ranking import weighted_auroc
from ulna.robustness.sources.probe import FilmFeatures, probe_sources

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Films = Mapping[str, npt.NDArray[np.generic]]
PARTS = ("HAND", "WRIST")
FOLDS, RIDGE, SEED = 5, 10.0, 0
# Near duplicates under two numbers, seen on reduced copies; and what they show, by eye, by no
# radiologist: the table's column `note` is empty.
SAME = {"mw074": "mw007", "mw084": "mw033"}
HARDWARE = ("009", "026", "030", "031", "048", "058", "060", "067", "068", "080", "089", "096")
CASTS = ("003", "009", "026", "031", "048", "067", "075", "081")


def read_films(files: Sequence[Path]) -> dict[str, npt.NDArray[np.generic]]:
    """The rows of all files; a patient of two numbers has one."""
    parts = [dict(np.load(f)) for f in files]
    names = {p.tobytes() for p in (d.pop("parts") for d in parts)}
    assert len(names) == 1, "films of bundles with other body parts"
    films = {k: np.concatenate([d[k] for d in parts]) for k in parts[0]}
    last = [str(p).rsplit(".", 1)[-1] for p in films["patient"]]
    films["patient"] = np.array([SAME.get(p, p) for p in last])
    return films


def fit_head(films: Films, base: Floats, seed_weight: Floats) -> Callable[[Films, Floats], Floats]:
    """The head fitted on these films; it gives logits for others."""
    features = films["features"].astype(np.float64)
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    centre, size = base.mean(), max(float(base.std()), 1e-6)

    def inputs(other: Films, own: Floats) -> Floats:
        x = (other["features"].astype(np.float64) - mean) / deviation
        return np.column_stack([x, (own - centre) / size])

    x, y = inputs(films, base), films["abnormal"].astype(np.float64)

    def loss(w: Floats) -> tuple[float, Floats]:
        z = x @ w[:-1] + w[-1]
        wrong = seed_weight * (sigmoid(z) - y)
        value = (seed_weight * np.logaddexp(0, np.where(y > 0, -z, z))).sum()
        slope = np.append(x.T @ wrong, wrong.sum())
        slope[:-2] += 2 * RIDGE * w[:-2]
        return float(value + RIDGE * (w[:-2] ** 2).sum()), slope

    w = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return lambda other, own: np.asarray(inputs(other, own) @ w[:-1] + w[-1])


def alike(films: Films) -> Floats:
    """(N,) weights of mean 1: sources alike, and classes alike within a source."""
    cell = np.char.add(films["source"].astype(str), films["abnormal"].astype(str))
    _, index, counts = np.unique(cell, return_inverse=True, return_counts=True)
    sources = {str(s): len({*cell[films["source"] == s]}) for s in np.unique(films["source"])}
    share = 1 / counts[index] / np.array([sources[str(s)] for s in films["source"]])
    return np.asarray(share / share.mean())


def folds_of(films: Films) -> npt.NDArray[np.int64]:
    """(N,) patients dealt in a seeded order, source by source, abnormal and normal in turn."""
    rng, fold = np.random.default_rng(SEED), {}
    for source in np.unique(films["source"]):
        own = films["source"] == source
        ill = set(films["patient"][own & (films["abnormal"] == 1)])
        patients = rng.permutation(np.unique(films["patient"][own]))
        for i, p in enumerate(sorted(patients, key=lambda p: p in ill)):
            fold[str(source), str(p)] = i % FOLDS
    pairs = zip(films["source"], films["patient"], strict=True)
    return np.array([fold[str(s), str(p)] for s, p in pairs])


def where(films: Films, chosen: Bools) -> dict[str, npt.NDArray[np.generic]]:
    """Those films."""
    return {k: v[chosen] for k, v in films.items()}


def said_by_head(films: Films, teaches: Bools) -> Floats:
    """(N,) logits of heads that the films `teaches` have taught but for the answered one's fold."""
    base = own_logit(films)
    fold, found = folds_of(films), np.empty(len(teaches))
    for k in range(FOLDS):
        held = fold == k
        few = teaches & ~held
        head = fit_head(where(films, few), base[few], alike(where(films, few)))
        found[held] = head(where(films, held), base[held])
    return found


def own_logit(films: Films) -> Floats:
    """(N,) of the graph, the mean over its heads, so that the body part's name says nothing."""
    return np.asarray(films["said"].astype(np.float64).mean(axis=1))


@dataclass(frozen=True)
class Answers:
    """Of studies: (N,) logits by way; patient, abnormal. No other noun has ways beside another."""

    ways: dict[str, Floats]
    patient: npt.NDArray[np.str_]
    abnormal: Bools
    study: npt.NDArray[np.str_]

    def of(self, chosen: Bools) -> Answers:
        """Those studies."""
        ways = {k: v[chosen] for k, v in self.ways.items()}
        return Answers(ways, self.patient[chosen], self.abnormal[chosen], self.study[chosen])


def by_study(films: Films, logits: Mapping[str, Floats]) -> Answers:
    """The mean logit over the films, and the graphs, that a study has."""
    names, index = np.unique(films["study"].astype(str), return_inverse=True)
    count = np.bincount(index)
    first = np.array([np.argmax(index == k) for k in range(len(names))])
    return Answers(
        {k: np.bincount(index, v) / count for k, v in logits.items()},
        films["patient"].astype(str)[first],
        films["abnormal"][first] == 1,
        names,
    )


def scores(found: Answers) -> Json:
    """AUROC of every way, and minus the first."""
    of: dict[str, Statistic] = {}
    for name, logit in found.ways.items():
        of[name] = partial(weighted_auroc, found.abnormal, logit)
    first = next(iter(of))
    pairs = {f"{n} minus {first}": difference_of(s, of[first]) for n, s in of.items() if n != first}
    intervals = bootstrap_intervals(found.patient, {**of, **pairs}, 1000, SEED)
    n = {"n": len(found.abnormal), "n_abnormal": int(found.abnormal.sum())}
    return n | {k: interval_json(i) for k, i in intervals.items()}


def study_of_control(films: Films, own: str, second: str) -> Json:
    """Both sources under one control: AUROC of all ways, subsets, and the probe of the answers."""
    films = where(films, np.isin(films["part"], PARTS) & np.isin(films["source"], (own, second)))
    ways: dict[str, list[Floats]] = {"own heads": []}
    rows = []
    for k in np.unique(films["fold"]):
        at = where(films, films["fold"] == k)
        mine = at["source"] == own
        rows.append(at)
        ways["own heads"].append(own_logit(at))
        taught = {"first": mine, "both": mine | ~mine, "second": ~mine}
        for name, teaches in taught.items():
            if mine.any() or name == "second":  # a control that the second alone was put under
                ways.setdefault(name, []).append(said_by_head(at, teaches))
    together = {k: np.concatenate([r[k] for r in rows]) for k in rows[0]}
    logits = {k: np.concatenate(v) for k, v in ways.items()}
    found: Json = {"folds": [int(k) for k in np.unique(films["fold"])]}
    for source in (own, second):
        chosen = together["source"] == source
        if not chosen.any():
            continue
        answers = by_study(where(together, chosen), {k: v[chosen] for k, v in logits.items()})
        found[source] = scores(answers)
        if source == second:
            found |= _subsets(answers)
    found["probe"] = {"features": _probe(rows[0], rows[0]["features"].astype(np.float64))}
    one = together["fold"] == rows[0]["fold"][0]
    for name, logit in logits.items():
        found["probe"][name] = _probe(rows[0], logit[one][:, None])
    return found


def _subsets(answers: Answers) -> Json:
    """Without casts and hardware, and these against the normal ones."""
    number = np.array([s.rsplit("mw", 1)[-1] for s in answers.study])
    steel, cast = np.isin(number, HARDWARE), np.isin(number, CASTS)
    ill = answers.abnormal
    return {
        "neither cast nor hardware": scores(answers.of(~steel & ~cast)),
        "fractured with cast or hardware, against normal": scores(
            answers.of((ill & (steel | cast)) | (~ill & ~steel & ~cast))
        ),
    }


def answers_of(file: Path) -> Answers:
    """Of predictions.csv of `ulna evaluate` on the second source: the bundle's mean logit."""
    with file.open(newline="", encoding="utf-8") as handle:
        rows = [r for r in csv.DictReader(handle) if r["image_logit"]]
    films = {k: np.array([r[k] for r in rows]) for k in ("study", "patient")}
    films["patient"] = np.array([SAME.get(str(p), str(p)) for p in films["patient"]])
    films["abnormal"] = np.array([float(r["abnormal"]) for r in rows])
    return by_study(films, {"bundle": np.array([float(r["image_logit"]) for r in rows])})


def _probe(films: Films, features: Floats) -> Json:
    said = probe_sources(
        FilmFeatures(
            features,
            films["source"].astype(str),
            films["patient"].astype(str),
            films["part"].astype(str),
            films["abnormal"].astype(np.float64),
        ),
        how=Resampling(200),
    )
    return {label: one.get("auroc", one.get("reason")) for label, one in said.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", type=Path, nargs="*")
    parser.add_argument("--answers", type=Path, help="predictions.csv of the second source")
    parser.add_argument("--own", default="fracatlas")
    parser.add_argument("--second", default="mendeley_wrist")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    found: Json = {"controls": {}}
    if given.answers:
        answers = answers_of(given.answers)
        found["bundle"] = {"all": scores(answers)} | _subsets(answers)
    films = read_films(given.films) if given.films else {"control": np.array([])}
    for control in np.unique(films["control"]):
        chosen = where(films, films["control"] == control)
        found["controls"][str(control)] = study_of_control(chosen, given.own, given.second)
    text = json.dumps(found, indent=1)
    given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
