"""How much of a fracture an untouched encoder already tells: a linear probe on real images.

    python benchmarks/probe.py TABLE.csv RUN [RUN ...]

RUN: folder of `ulna train` with one expert. Its encoder is frozen and reads every image of TABLE;
of its last stage the mean and the maximum over all cells go into a logistic regression with the
body part (Alain and Bengio 2017, Understanding intermediate layers using linear classifier
probes). Five folds as in `ulna crossval`; the strength of the penalty is chosen inside each, by
patient. Printed: AUROC of fractures over all images, out of fold, and its mean within the body
parts, by number of images; then the difference from the first RUN, with intervals by bootstrap over
patients, on the same draws. Unlike a training it has no chance of its own: the same RUN gives the
same numbers, and a minute of one core is enough. `random:K` is the network of the first RUN before
it learned anything, drawn by the seed K, and `shipped` the trunk that comes with the package.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ulna.config.codec import read_json
from ulna.config.recipe import InitialWeights, Recipe
from ulna.datasets import index_data
from ulna.datasets.folds import assign_folds
from ulna.imaging import read_radiograph
from ulna.metrics import auroc
from ulna.metrics.bootstrap import Statistic, bootstrap_intervals, difference_of
from ulna.metrics.ranking import weighted_auroc
from ulna.models.expert import Expert
from ulna.models.initial import load_initial_weights
from ulna.models.scale import resized
from ulna.models.trained import load_expert
from ulna.preprocess import letterbox_uint8
from ulna.training.augment import as_float
from ulna.types import Study

_PENALTIES = np.logspace(-5, 0, 11)


def load(name: str, like: Path) -> tuple[Expert, Recipe]:
    """The expert of the run `name`; or, of the make of the run `like`, one of no training on it."""
    kind, _, seed = name.partition(":")
    untrained = kind in ("random", "shipped")
    run = like if untrained else Path(name)
    recipe = read_json(Recipe, run / "recipe.json")
    if not untrained:
        return load_expert(run, recipe, recipe.experts[0]), recipe
    torch.manual_seed(int(seed or 0))
    start = InitialWeights("shipped" if kind == "shipped" else "random")
    return load_initial_weights(replace(recipe.experts[0], initial=start), recipe).eval(), recipe


@torch.inference_mode()
def features(loaded: tuple[Expert, Recipe], studies: list[Study]) -> np.ndarray:
    """(N, 2 C): mean and maximum of the encoder's last stage, of the first image of each study."""
    expert, spec = loaded[0], loaded[1].input_spec
    result = []
    for study in studies:
        image = letterbox_uint8(read_radiograph(study.images[0].path), spec)[0]
        x_11HW = as_float(torch.from_numpy(image)[None])
        scaled = resized((x_11HW - spec.mean) / spec.std, expert.input_scale)
        grid_1Chw = expert.encoder(scaled)
        result.append(torch.cat([grid_1Chw.mean((2, 3)), grid_1Chw.amax((2, 3))], 1)[0])
    return torch.stack(result).numpy()


def probe(x_NC: np.ndarray, studies: list[Study]) -> np.ndarray:
    """(N,) scores, each by a model that saw nothing of its patient."""
    parts = sorted({s.body_part for s in studies})
    part_NP = np.array([[s.body_part == p for p in parts] for s in studies], float)
    y = np.array([bool(s.abnormal) for s in studies])
    groups = np.array([s.patient_id for s in studies])
    where = {s.key: i for i, s in enumerate(studies)}
    score = np.empty(len(studies))
    for fold in assign_folds(studies):
        out = np.array([where[s.key] for s in fold])
        kept = np.setdiff1d(np.arange(len(studies)), out)
        inner = list(StratifiedGroupKFold(4).split(kept, y[kept], groups[kept]))
        model = GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
            {"logisticregression__C": _PENALTIES},
            cv=inner,
            scoring="roc_auc",
        )
        both = np.hstack([x_NC, part_NP])
        score[out] = model.fit(both[kept], y[kept]).decision_function(both[out])
    return score


def within_parts(score: np.ndarray, studies: list[Study]) -> float:
    """Mean AUROC of the body parts that have images of both labels, weighted by images."""
    y = np.array([bool(s.abnormal) for s in studies])
    part = np.array([s.body_part for s in studies])
    rows = [part == p for p in np.unique(part)]
    rows = [r for r in rows if 0 < y[r].sum() < r.sum()]
    return float(np.average([auroc(y[r], score[r]) for r in rows], weights=[r.sum() for r in rows]))


def scores(run: Path, table: Path) -> dict[str, float]:
    """The two numbers of a run."""
    studies = index_data(table)
    result = probe(features(load(str(run), run), studies), studies)
    y = np.array([bool(s.abnormal) for s in studies])
    return {"probe": float(auroc(y, result)), "probe, by part": within_parts(result, studies)}


def area(score: np.ndarray, studies: list[Study]) -> Statistic:
    """AUROC as a statistic of bootstrap weights."""
    y = np.array([bool(s.abnormal) for s in studies])
    return partial(weighted_auroc, y, score)


def line(studies: list[Study], score: np.ndarray, first: np.ndarray) -> str:
    """AUROC with its interval, its mean within parts, and the difference from `first`."""
    own, base = area(score, studies), area(first, studies)
    statistics = {"own": own, "minus": difference_of(own, base)}
    result = bootstrap_intervals([s.patient_id for s in studies], statistics)
    own_text, minus_text = (
        f"{i.value:{sign}.3f} ({i.low:{sign}.3f} to {i.high:{sign}.3f})"
        for i, sign in ((result["own"], ""), (result["minus"], "+"))
    )
    return f"{own_text}, by part {within_parts(score, studies):.3f}, minus the first {minus_text}"


def main() -> None:
    """A line for each run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    given = parser.parse_args()
    studies = index_data(given.table)
    first = None
    for run in given.runs:
        score = probe(features(load(run, Path(given.runs[0])), studies), studies)
        first = score if first is None else first
        print(f"{run:32s} {line(studies, score, first)}", flush=True)


if __name__ == "__main__":
    main()
