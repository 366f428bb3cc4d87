"""What a few labelled images of a new hospital bring: recalibration, then heads moved.

    python benchmarks/new_hospital.py BUNDLE TABLE --images 20 --repeats 100 --out new_hospital.json

TABLE: labelled images that BUNDLE has not learned from. Each repeat draws whole patients, normal
and abnormal ones in their proportion, until the images are 20; the bundle is adapted to them as
`ulna adapt` does, and answers the other patients' studies: as it comes, recalibrated, with heads
moved. Every image is answered once (--keep FILE: kept for the next time). With --answers
EVALUATION/predictions.csv (of `ulna evaluate`) nothing is asked, and heads stay. Figures are means
over the repeats, with the 10th to 90th percentile of the repeats (what another draw of images would
give), and a 95 % interval by bootstrap over the patients of TABLE (what other patients would give).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ulna.bundle import Manifest, ModelBundle, read_bundle
from ulna.calibration.adapt.fit import (
    HeadPlan,
    changed_logit,
    cross_fitted_logit,
    fit_changes,
    fit_shift,
)
from ulna.calibration.adapt.images import HospitalImages
from ulna.calibration.adapt.pipeline import adapted_fusion, check_enough, read_images
from ulna.config.engine import EngineSettings
from ulna.datasets import index_data
from ulna.errors import DatasetWarning
from ulna.evaluation.scores import Json, Sample, interval_json, statistics
from ulna.metrics.bootstrap import Statistic, bootstrap_intervals, difference_of
from ulna.types import BodyPart

MEASURES = ("auroc", "sensitivity", "specificity", "ece", "ece_debiased", "brier")
DRAWS = 1000
Chosen = npt.NDArray[np.bool_]


def draw_patients(images: HospitalImages, n_films: int, rng: np.random.Generator) -> Chosen:
    """(N,) studies of patients drawn until there are `n_films` images, classes in proportion."""
    patients = np.unique(images.patient)
    ill = np.array([images.abnormal[images.patient == p].any() for p in patients])
    place = np.empty(len(patients))
    for one in (ill, ~ill):
        place[one] = (rng.permutation(one.sum()) + rng.random()) / max(one.sum(), 1)
    taken, chosen = 0, np.zeros(len(images.abnormal), np.bool_)
    for patient in patients[np.argsort(place)]:
        if taken >= n_films:
            break
        own = images.patient == patient
        chosen |= own
        taken += int(own[images.study].sum())
    return chosen


def answers(
    images: HospitalImages, chosen: Chosen, manifest: Manifest, freedoms: Sequence[float]
) -> dict[str, Sample]:
    """What each way says of the studies that were not chosen."""
    few, rest = images.of(chosen), images.of(~chosen)
    check_enough(few)
    point, thresholds = manifest.operating_point, manifest.fusion.thresholds
    result = {"as it comes": _sample(rest, rest.logit, thresholds[point])}
    ways = {"recalibrated": (few.logit, rest.logit)}
    for freedom in freedoms:
        plan = HeadPlan(freedom)
        message = changed_logit(rest, fit_changes(few, plan))
        ways[f"heads moved, freedom {freedom:g}"] = (cross_fitted_logit(few, plan), message)
    for name, (seen, requested) in ways.items():
        shift = fit_shift(few, seen)
        after = few.probability(shift.of(seen))
        fusion = adapted_fusion(manifest, few, shift, after)
        result[name] = _sample(rest, shift.of(requested), fusion.thresholds[point])
    return result


def _sample(
    images: HospitalImages, logit: npt.NDArray[np.float64], thresholds: dict[BodyPart, float]
) -> Sample:
    probability = images.probability(logit)
    limit = np.array([thresholds[p] for p in images.part])
    return Sample([*images.patient], images.abnormal, probability, probability >= limit)


def mean_over(
    repeats: Sequence[tuple[Chosen, Sample]], measure: str
) -> tuple[Statistic, npt.NDArray[np.float64]]:
    """The mean of a measure over the repeats, of weights (D, N); and its value in each."""
    each = [statistics(sample)[measure] for _, sample in repeats]
    held = [~chosen for chosen, _ in repeats]

    def mean(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        values = [f(weights[:, h]) for f, h in zip(each, held, strict=True)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a draw without one class
            return np.asarray(np.nanmean(values, axis=0))

    ones = [float(f(np.ones((1, int(h.sum()))))[0]) for f, h in zip(each, held, strict=True)]
    return mean, np.array(ones)


def summary(images: HospitalImages, results: Sequence[tuple[Chosen, dict[str, Sample]]]) -> Json:
    """Of every way and measure: mean, spread over repeats, interval; and minus 'as it comes'."""
    result: Json = {}
    for measure in MEASURES:
        means = {}
        for way in results[0][1]:
            mean, values = mean_over([(c, s[way]) for c, s in results], measure)
            means[way] = mean
            low, high = np.nanquantile(values, [0.1, 0.9])
            result.setdefault(way, {})[measure] = {"repeats": [float(low), float(high)]}
        minus = {w: difference_of(m, means["as it comes"]) for w, m in means.items()}
        for name, of in (("mean", means), ("minus", minus)):
            intervals = bootstrap_intervals(images.patient, dict(of), DRAWS, 0)
            for way, interval in intervals.items():
                result[way][measure][name] = interval_json(interval)
    return result


def table(result: Json) -> str:
    """Markdown."""
    lines = ["| | " + " | ".join(MEASURES) + " |", "|---" * (len(MEASURES) + 1) + "|"]
    for way, own in result.items():
        cells = []
        for measure in MEASURES:
            one, (low, high) = own[measure]["mean"], own[measure]["repeats"]
            cells.append(
                f"{one['value']:.3f} ({one['low']:.2f}–{one['high']:.2f}) [{low:.2f}–{high:.2f}]"
            )
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def some_experts(bundle: ModelBundle, names: Sequence[str]) -> ModelBundle:
    """The bundle of these experts alone, in memory, by the whole's calibration; all if none."""
    if not names:
        return bundle
    manifest = bundle.manifest
    shares = {
        p: {n: own[n] / sum(own[m] for m in names) for n in names}
        for p, own in manifest.fusion.weights.items()
    }
    few = replace(
        manifest,
        experts=tuple(e for e in manifest.experts if e.name in names),
        fusion=replace(manifest.fusion, weights=shares),
        cascade=None,
        out_of_distribution=None,
    )
    return ModelBundle(bundle.path, few, bundle.hash)


def evaluated_films(file: Path) -> HospitalImages:
    """What predictions.csv of `ulna evaluate` says of the bundle's logits; nothing of its heads."""
    with file.open(newline="", encoding="utf-8") as handle:
        rows = [r for r in csv.DictReader(handle) if r["image_logit"]]
    names, first, study = np.unique(
        [r["study"] for r in rows], return_index=True, return_inverse=True
    )
    logit = np.array([float(r["image_logit"]) for r in rows])
    return HospitalImages(
        logit=logit,
        experts=logit[None],
        gain=np.ones((len(rows), 1)),
        attended=(),
        study=study,
        abnormal=np.array([rows[k]["abnormal"] == "1" for k in first]),
        patient=np.array([rows[k]["patient"] for k in first]),
        part=tuple(BodyPart(rows[k]["body_part"]) for k in first),
    )


def kept_films(file: Path | None, ask: partial[HospitalImages]) -> HospitalImages:
    """The answers in `file`, or those of `ask`, which are then kept there."""
    if file is not None and file.is_file():
        with np.load(file) as data:
            attended = tuple(data[f"looked{k}"] for k in range(len(data["experts"])))
            values = {k: data[k] for k in ("logit", "experts", "gain", "study", "abnormal")}
            part = tuple(BodyPart(p) for p in data["part"])
            return HospitalImages(**values, patient=data["patient"], attended=attended, part=part)
    images = ask()
    if file is not None:
        values = {k: v for k, v in vars(images).items() if k != "looked"}
        values["part"] = np.array([str(p) for p in images.part])
        np.savez_compressed(
            file, **values, **{f"looked{k}": x for k, x in enumerate(images.attended)}
        )
    return images


def _count(done: int, of: int) -> None:
    print(f"{done} of {of} studies", end="\r", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--films", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--same", default="", help="patients of two numbers: mw074=mw007,...")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--freedoms", default="0.5,1,2,4", help="of heads (HeadPlan)")
    parser.add_argument("--experts", default="", help="of the bundle, with commas; all if none")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--keep", type=Path, help="answers of all images, written or read")
    parser.add_argument("--answers", type=Path, help="predictions.csv: recalibration alone")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    names = [n for n in given.experts.split(",") if n]
    bundle, studies = some_experts(read_bundle(given.bundle), names), index_data(given.table)
    engine = EngineSettings.parse(given.engine)
    ask = partial(read_images, bundle, studies, True, _count, engine)
    images = evaluated_films(given.answers) if given.answers else kept_films(given.keep, ask)
    same = dict(pair.split("=") for pair in given.same.split(",") if pair)
    images = replace(images, patient=np.array([same.get(str(p), str(p)) for p in images.patient]))
    rng = np.random.default_rng(given.seed)
    freedoms = [float(f) for f in given.freedoms.split(",") if f and images.attended]
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DatasetWarning)  # of body parts without a study
        for _ in range(given.repeats):
            chosen = draw_patients(images, given.images, rng)
            results.append((chosen, answers(images, chosen, bundle.manifest, freedoms)))
    result = summary(images, results)
    n = {"studies": len(images.abnormal), "films": len(images.logit), "adapted to": given.images}
    given.out.write_text(json.dumps({"bundle": bundle.hash, "n": n, "ways": result}, indent=1))
    print(table(result))


if __name__ == "__main__":
    main()
