"""Are legs unlike arms, to experts of real images that never saw a leg?

    python benchmarks/legs.py RUN --good TABLE.csv --foreign legs=LOWER_LIMB.csv --out legs.json

RUN is a folder of `ulna crossval` whose encoders did not start from images of the lower limb. Of
each fold: images that it did not learn from against foreign images, by the distance of the
encoder's features from good images, fitted in two ways: on other patients of the images held out
(what a bundle does), and on the images that the fold learned from (four times as many). AUROC
pooled over folds, within each fold, 95 % interval by bootstrap over patients.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ulna.calibration.out_of_distribution_fit import conformal_limit, cross_fitted, fit_statistics
from ulna.datasets import index_data
from ulna.export import export_bundle
from ulna.metrics.bootstrap import bootstrap_intervals
from ulna.metrics.ranking import weighted_auroc
from ulna.runtime import Predictor
from ulna.types import Study

Floats = npt.NDArray[np.float64]


def features(predictor: Predictor, studies: list[Study]) -> tuple[Floats, list[str]]:
    """(N, C) of the experts together, image by image, and whose they are."""
    rows, patients = [], []
    for study in studies:
        for image in predictor.outputs(study).images:
            rows.append(np.concatenate([e.features for e in image.experts.values()]))
            patients.append(study.patient_id)
    return np.array(rows, np.float64), patients


def drawn(studies: list[Study], most: int) -> list[Study]:
    """At most `most` of them, drawn with a seed."""
    order = np.random.default_rng(0).permutation(len(studies))[:most]
    return [studies[i] for i in order]


def fold_distances(fold: Path, good: dict[str, Study], foreign: list[Study]) -> dict[str, object]:
    """Of one fold: the distances of held-out and of foreign images, by what was fitted on."""
    trained = [good[k] for k in json.loads((fold / "split.json").read_text())["train"]]
    keys = {s.key for s in trained}
    held = [s for s in good.values() if s.key not in keys]
    with tempfile.TemporaryDirectory() as folder:
        bundle = export_bundle(fold, Path(folder) / "bundle")
        predictor = Predictor.load(bundle.path)
        own, patients = features(predictor, held)
        learned, _ = features(predictor, trained)
        other, _ = features(predictor, foreign)
    parts = np.array([zlib.crc32(p.encode()) % 10 for p in patients])
    on_held, on_learned = fit_statistics(own), fit_statistics(learned)
    return {
        "patients": patients,
        "held out": (cross_fitted(own, own, parts), on_held.distance(other)),
        "learned from": (on_learned.distance(own), on_learned.distance(other)),
    }


def pooled(folds: list[dict[str, object]], way: str) -> dict[str, float]:
    """Mean over folds of the AUROC within each, with its interval; share of foreign refused."""
    values, weighted, refused = [], [], []
    names: list[str] = []
    for k, fold in enumerate(folds):
        own, other = fold[way]  # type: ignore[misc]
        start = len(names)
        names += [*fold["patients"], *(f"foreign {i}" for i in range(len(other)))]  # type: ignore[misc]
        values.append((np.array([False] * len(own) + [True] * len(other)), np.r_[own, other]))
        weighted.append(slice(start, len(names)))
        refused.append(float(np.mean(other > conformal_limit(own, 0.01))))
        assert len(names) - start == len(values[k][0])

    def statistic(weights_DN: Floats) -> Floats:
        each = [
            weighted_auroc(t, s, weights_DN[:, w])
            for (t, s), w in zip(values, weighted, strict=True)
        ]
        return np.mean(each, axis=0)

    result = bootstrap_intervals(names, {"auroc": statistic}, 1000, 0)["auroc"]
    return {
        "auroc": result.value,
        "low": result.low,
        "high": result.high,
        "refused": float(np.mean(refused)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--good", type=Path, required=True)
    parser.add_argument("--foreign", action="append", required=True, metavar="NAME=TABLE")
    parser.add_argument("--most", type=int, default=120, help="images of a foreign table")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path)
    requested = parser.parse_args()
    good = {s.key: s for s in index_data(requested.good)}
    result: dict[str, object] = {}
    for given in requested.foreign:
        name, _, table = given.partition("=")
        foreign = drawn(index_data(table), requested.most)
        folds = [fold_distances(requested.run / f"fold{k}", good, foreign) for k in requested.folds]
        result[name] = {way: pooled(folds, way) for way in ("held out", "learned from")}
        print(name, json.dumps(result[name]), flush=True)
    if requested.out:
        requested.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
