"""A second source in training, by heads alone: what its score is worth, and body parts of others.

    python benchmarks/second_source.py FILMS.npz [MORE.npz ...] --own fracatlas \
        --second mendeley_wrist --out second_source.json

FILMS: of `second_source_films.py`. Trunks stay as the first source has taught them. A head is a
logistic regression on the standardised features of one fold's graph, with that graph's own logit as
one feature more that is not penalised; classes weigh alike within a source, and sources alike
(`source_balance` 1). It is fitted on hand and wrist images of the first source that the graph's
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
from ulna.robustness.sources.probe import ImageFeatures, probe_sources

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Images = Mapping[str, npt.NDArray[np.generic]]
PARTS = ("HAND", "WRIST")
FOLDS, RIDGE, SEED = 5, 10.0, 0
# Near duplicates under two numbers, seen on reduced copies; and what they show, by eye, by no
# radiologist: the table's column `note` is empty.
SAME = {"mw074": "mw007", "mw084": "mw033"}
HARDWARE = ("009", "026", "030", "031", "048", "058", "060", "067", "068", "080", "089", "096")
CASTS = ("003", "009", "026", "031", "048", "067", "075", "081")


def read_images(files: Sequence[Path]) -> dict[str, npt.NDArray[np.generic]]:
    """The rows of all files; a patient of two numbers has one."""
    parts = [dict(np.load(f)) for f in files]
    names = {p.tobytes() for p in (d.pop("parts") for d in parts)}
    assert len(names) == 1, "images of bundles with other body parts"
    images = {k: np.concatenate([d[k] for d in parts]) for k in parts[0]}
    last = [str(p).rsplit(".", 1)[-1] for p in images["patient"]]
    images["patient"] = np.array([SAME.get(p, p) for p in last])
    return images


def fit_head(
    images: Images, base: Floats, seed_weight: Floats
) -> Callable[[Images, Floats], Floats]:
    """The head fitted on these images; it gives logits for others."""
    features = images["features"].astype(np.float64)
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    centre, size = base.mean(), max(float(base.std()), 1e-6)

    def inputs(other: Images, own: Floats) -> Floats:
        x = (other["features"].astype(np.float64) - mean) / deviation
        return np.column_stack([x, (own - centre) / size])

    x, y = inputs(images, base), images["abnormal"].astype(np.float64)

    def loss(w: Floats) -> tuple[float, Floats]:
        z = x @ w[:-1] + w[-1]
        wrong = seed_weight * (sigmoid(z) - y)
        value = (seed_weight * np.logaddexp(0, np.where(y > 0, -z, z))).sum()
        slope = np.append(x.T @ wrong, wrong.sum())
        slope[:-2] += 2 * RIDGE * w[:-2]
        return float(value + RIDGE * (w[:-2] ** 2).sum()), slope

    w = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return lambda other, own: np.asarray(inputs(other, own) @ w[:-1] + w[-1])


def alike(images: Images) -> Floats:
    """(N,) weights of mean 1: sources alike, and classes alike within a source."""
    cell = np.char.add(images["source"].astype(str), images["abnormal"].astype(str))
    _, index, counts = np.unique(cell, return_inverse=True, return_counts=True)
    sources = {str(s): len({*cell[images["source"] == s]}) for s in np.unique(images["source"])}
    share = 1 / counts[index] / np.array([sources[str(s)] for s in images["source"]])
    return np.asarray(share / share.mean())


def folds_of(images: Images) -> npt.NDArray[np.int64]:
    """(N,) patients dealt in a seeded order, source by source, abnormal and normal in turn."""
    rng, fold = np.random.default_rng(SEED), {}
    for source in np.unique(images["source"]):
        own = images["source"] == source
        ill = set(images["patient"][own & (images["abnormal"] == 1)])
        patients = rng.permutation(np.unique(images["patient"][own]))
        for i, p in enumerate(sorted(patients, key=lambda p: p in ill)):
            fold[str(source), str(p)] = i % FOLDS
    pairs = zip(images["source"], images["patient"], strict=True)
    return np.array([fold[str(s), str(p)] for s, p in pairs])


def where(images: Images, chosen: Bools) -> dict[str, npt.NDArray[np.generic]]:
    """Those images."""
    return {k: v[chosen] for k, v in images.items()}


def said_by_head(images: Images, teaches: Bools) -> Floats:
    """(N,) logits of heads taught by the images `teaches` but for the answered one's fold."""
    base = own_logit(images)
    fold, result = folds_of(images), np.empty(len(teaches))
    for k in range(FOLDS):
        held = fold == k
        few = teaches & ~held
        head = fit_head(where(images, few), base[few], alike(where(images, few)))
        result[held] = head(where(images, held), base[held])
    return result


def own_logit(images: Images) -> Floats:
    """(N,) of the graph, the mean over its heads, so that the body part's name says nothing."""
    return np.asarray(images["said"].astype(np.float64).mean(axis=1))


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


def by_study(images: Images, logits: Mapping[str, Floats]) -> Answers:
    """The mean logit over the images, and the graphs, that a study has."""
    names, index = np.unique(images["study"].astype(str), return_inverse=True)
    count = np.bincount(index)
    first = np.array([np.argmax(index == k) for k in range(len(names))])
    return Answers(
        {k: np.bincount(index, v) / count for k, v in logits.items()},
        images["patient"].astype(str)[first],
        images["abnormal"][first] == 1,
        names,
    )


def scores(result: Answers) -> Json:
    """AUROC of every way, and minus the first."""
    of: dict[str, Statistic] = {}
    for name, logit in result.ways.items():
        of[name] = partial(weighted_auroc, result.abnormal, logit)
    first = next(iter(of))
    pairs = {f"{n} minus {first}": difference_of(s, of[first]) for n, s in of.items() if n != first}
    intervals = bootstrap_intervals(result.patient, {**of, **pairs}, 1000, SEED)
    n = {"n": len(result.abnormal), "n_abnormal": int(result.abnormal.sum())}
    return n | {k: interval_json(i) for k, i in intervals.items()}


def study_of_control(images: Images, own: str, second: str) -> Json:
    """Both sources under one control: AUROC of all ways, subsets, and the probe of the answers."""
    images = where(
        images, np.isin(images["part"], PARTS) & np.isin(images["source"], (own, second))
    )
    ways: dict[str, list[Floats]] = {"own heads": []}
    rows = []
    for k in np.unique(images["fold"]):
        at = where(images, images["fold"] == k)
        mine = at["source"] == own
        rows.append(at)
        ways["own heads"].append(own_logit(at))
        taught = {"first": mine, "both": mine | ~mine, "second": ~mine}
        for name, teaches in taught.items():
            if mine.any() or name == "second":  # a control that the second alone was put under
                ways.setdefault(name, []).append(said_by_head(at, teaches))
    together = {k: np.concatenate([r[k] for r in rows]) for k in rows[0]}
    logits = {k: np.concatenate(v) for k, v in ways.items()}
    result: Json = {"folds": [int(k) for k in np.unique(images["fold"])]}
    for source in (own, second):
        chosen = together["source"] == source
        if not chosen.any():
            continue
        answers = by_study(where(together, chosen), {k: v[chosen] for k, v in logits.items()})
        result[source] = scores(answers)
        if source == second:
            result |= _subsets(answers)
    result["probe"] = {"features": _probe(rows[0], rows[0]["features"].astype(np.float64))}
    one = together["fold"] == rows[0]["fold"][0]
    for name, logit in logits.items():
        result["probe"][name] = _probe(rows[0], logit[one][:, None])
    return result


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
    images = {k: np.array([r[k] for r in rows]) for k in ("study", "patient")}
    images["patient"] = np.array([SAME.get(str(p), str(p)) for p in images["patient"]])
    images["abnormal"] = np.array([float(r["abnormal"]) for r in rows])
    return by_study(images, {"bundle": np.array([float(r["image_logit"]) for r in rows])})


def _probe(images: Images, features: Floats) -> Json:
    message = probe_sources(
        ImageFeatures(
            features,
            images["source"].astype(str),
            images["patient"].astype(str),
            images["part"].astype(str),
            images["abnormal"].astype(np.float64),
        ),
        resampling=Resampling(200),
    )
    return {label: one.get("auroc", one.get("reason")) for label, one in message.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", type=Path, nargs="*")
    parser.add_argument("--answers", type=Path, help="predictions.csv of the second source")
    parser.add_argument("--own", default="fracatlas")
    parser.add_argument("--second", default="mendeley_wrist")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    result: Json = {"controls": {}}
    if given.answers:
        answers = answers_of(given.answers)
        result["bundle"] = {"all": scores(answers)} | _subsets(answers)
    images = read_images(given.images) if given.images else {"control": np.array([])}
    for control in np.unique(images["control"]):
        chosen = where(images, images["control"] == control)
        result["controls"][str(control)] = study_of_control(chosen, given.own, given.second)
    text = json.dumps(result, indent=1)
    given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
