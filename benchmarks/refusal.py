"""Known, near, far: what a cross-validated bundle says of images of other hospitals and regions.

    python benchmarks/refusal.py BUNDLE --known arm.csv --outliers legs.csv \
        --outliers chests.csv --near NAME=TABLE --far NAME=TABLE --out refusal

BUNDLE is that of `ulna crossval` on --known with its own number of folds. Known images are
answered by the experts of their own fold, with statistics fitted without a fifth of the fold's
patients at a time. Half of the images of --outliers are learned from, the other half is a far
group. What the networks say is kept in OUT/outputs.pkl, so that a second call takes seconds. OUT
gets the bundle with its new statistics and refusal.json.
"""

from __future__ import annotations

import argparse
import json
import pickle
import shutil
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ulna.bundle import (
    FusionParameters,
    ModelBundle,
    OodDetector,
    read_bundle,
    replace_fusion,
)
from ulna.calibration.disturb import disturbed
from ulna.calibration.near_fit import margin_of, movements
from ulna.calibration.out_of_distribution_fit import (
    OutlierReference,
    fit_expert,
    folds_of,
    out_of_distribution_of,
)
from ulna.calibration.outlier_images import outlier_reference
from ulna.config.engine import EngineSettings
from ulna.datasets import index_data
from ulna.datasets.folds import assign_folds
from ulna.errors import UlnaWarning
from ulna.metrics import auroc
from ulna.metrics.bootstrap import bootstrap_intervals
from ulna.metrics.ranking import weighted_auroc
from ulna.runtime import ImageOutputs, Predictor, StudyOutputs
from ulna.runtime.screen import verdict, without_map
from ulna.types import OodLevel, Study

HELD_PARTS = 5
Fold = tuple[list[StudyOutputs], OutlierReference]


def without_maps(image: ImageOutputs) -> ImageOutputs:
    return replace(image, experts={n: without_map(o) for n, o in image.experts.items()})


def of_fold(predictor: Predictor, k: int) -> Predictor:
    """The same with the experts of fold k alone."""
    bundle = predictor.bundle
    own = [e for e in bundle.manifest.experts if e.name.endswith(f"-{k}")]
    return predictor.with_graphs({e.name: bundle.graph_path(e).read_bytes() for e in own})


def message(predictor: Predictor, studies: Iterable[Study], calibrate: bool) -> list[StudyOutputs]:
    result = []
    for study in studies:
        output = predictor.outputs(study, calibrate, disturbed if calibrate else None)
        result.append(replace(output, images=tuple(map(without_maps, output.images))))
    return result


def halves(studies: Sequence[Study]) -> tuple[list[Study], list[Study]]:
    """By patient, with a seed."""
    patients = sorted({s.patient_id for s in studies})
    order = np.random.default_rng(0).permutation(len(patients))
    first = {patients[i] for i in order[: len(patients) // 2]}
    return (
        [s for s in studies if s.patient_id in first],
        [s for s in studies if s.patient_id not in first],
    )


def limited(studies: Sequence[Study], most: int) -> list[Study]:
    order = np.random.default_rng(1).permutation(len(studies))[:most]
    return [studies[i] for i in order]


def gather(requested: argparse.Namespace, bundle: ModelBundle) -> dict[str, object]:
    """What the networks say; hours on large tables, so it is kept."""
    kept = requested.out / "outputs.pkl"
    if kept.is_file():
        with kept.open("rb") as stored:
            return dict(pickle.load(stored))
    predictor = Predictor.load(bundle.path, EngineSettings(threads=1))
    manifest = bundle.manifest
    studies = [s for s in index_data(requested.known) if s.body_part in manifest.body_parts]
    n_folds = len({e.name.rpartition("-")[2] for e in manifest.experts})
    both = {t.stem: halves(index_data(t)) for t in requested.outliers}
    learned = [first for first, _ in both.values()]
    folds: list[Fold] = []
    for k, own in enumerate(assign_folds(studies, n_folds)):
        alone = of_fold(predictor, k)
        outputs = message(alone, limited(own, requested.most), True)
        folds.append((outputs, outlier_reference(alone, outputs, learned, k)))
        print(f"fold {k}: {len(outputs)} images", flush=True)
    groups = {}
    tables = dict(g.partition("=")[::2] for g in (*requested.near, *requested.far))
    for name, studies in [
        *((f"{n}, held out", second) for n, (_, second) in both.items()),
        *((n, index_data(Path(p))) for n, p in tables.items()),
    ]:
        groups[name] = message(predictor, limited(studies, requested.most_foreign), False)
        print(f"{name}: {len(groups[name])} studies", flush=True)
    result = {"folds": folds, "groups": groups}
    kept.write_bytes(pickle.dumps(result))
    return result


def fold_fusion(fusion: FusionParameters, names: Sequence[str]) -> FusionParameters:
    """Of one fold's experts, each with the weight of all its folds."""

    def weights(shares: dict[str, float]) -> dict[str, float]:
        kind = {n: n.rpartition("-")[0] for n in names}
        return {n: sum(w for m, w in shares.items() if m.startswith(f"{kind[n]}-")) for n in names}

    return replace(fusion, weights={p: weights(w) for p, w in fusion.weights.items()})


def fit(folds: Sequence[Fold], bundle: ModelBundle) -> OodDetector:
    """As `ulna crossval` fits it."""
    result, moved = {}, []
    for k, (outputs, beside) in enumerate(folds):
        names = [e.name for e in bundle.manifest.experts if e.name.endswith(f"-{k}")]
        fits = {n: f for n in names if (f := fit_expert(outputs, n, beside)) is not None}
        out_of_distribution = out_of_distribution_of(fits, beside)
        assert out_of_distribution is not None, f"fold {k}: too few images"
        fusion = fold_fusion(bundle.manifest.fusion, names)
        moved += movements(outputs, out_of_distribution, fusion, bundle.manifest)
        result |= fits
    joint = out_of_distribution_of(result, folds[0][1])
    assert joint is not None
    return replace(joint, entry=replace(joint.entry, uncertainty_margin=margin_of(moved)))


Scored = tuple[float, float, str, str, str]


def scored(outputs: Iterable[StudyOutputs], out_of_distribution: OodDetector) -> list[Scored]:
    """(distance, outside, domain, patient, body part) of every image."""
    result = []
    for output in outputs:
        for image in output.images:
            judged = verdict(image, list(image.experts), out_of_distribution)
            part = output.study.body_part
            result.append(
                (
                    judged.distance or 0.0,
                    judged.outlier_score or 0.0,
                    judged.out_of_distribution.value,
                    output.study.patient_id,
                    part.value if part else "",
                )
            )
    return result


def known_scores(folds: Sequence[Fold]) -> list[Scored]:
    """Of images that neither the experts nor the statistics have learned from."""
    result = []
    for outputs, beside in folds:
        names = list(outputs[0].images[0].experts)
        part = folds_of([o.study.patient_id for o in outputs]) % HELD_PARTS
        for held in range(HELD_PARTS):
            rest = [o for o, p in zip(outputs, part, strict=True) if p != held]
            fits = {n: f for n in names if (f := fit_expert(rest, n, beside)) is not None}
            out_of_distribution = out_of_distribution_of(fits, beside)
            assert out_of_distribution is not None, (
                "too few images in a fold without a fifth of its patients"
            )
            result += scored(
                [o for o, p in zip(outputs, part, strict=True) if p == held], out_of_distribution
            )
    return result


def area(known: Sequence[Scored], far: Sequence[Scored], column: int) -> list[float]:
    """AUROC of a score, and its interval over patients."""
    truth = np.array([False] * len(known) + [True] * len(far))
    values = np.array([s[column] for s in (*known, *far)])
    whose = [f"known {s[3]}" for s in known] + [f"far {s[3]}" for s in far]
    draws = bootstrap_intervals(whose, {"a": lambda w: weighted_auroc(truth, values, w)}, 1000, 0)
    return [auroc(truth, values), draws["a"].low, draws["a"].high]


def row(name: str, result: Sequence[Scored], known: Sequence[Scored]) -> dict[str, object]:
    share = {d.value: float(np.mean([s[2] == d.value for s in result])) for d in OodLevel if d}
    summary: dict[str, object] = {"images": len(result), **share}
    if result is not known:
        summary |= {"distance": area(known, result, 0), "outside": area(known, result, 1)}
    print(f"{name:24s}", json.dumps(summary), flush=True)
    return summary


def asked_for() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--known", type=Path, required=True, help="what it was cross-validated on")
    parser.add_argument("--outliers", type=Path, action="append", required=True)
    parser.add_argument("--near", action="append", default=[], metavar="NAME=TABLE")
    parser.add_argument("--far", action="append", default=[], metavar="NAME=TABLE")
    parser.add_argument("--most", type=int, default=10**9, help="known images of each fold")
    parser.add_argument("--most-foreign", type=int, default=150, help="studies of each group")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    requested = asked_for()
    requested.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", UlnaWarning)
    bundle = read_bundle(requested.bundle)
    kept = gather(requested, bundle)
    started = time.monotonic()
    folds, groups = kept["folds"], kept["groups"]
    out_of_distribution = fit(folds, bundle)  # type: ignore[arg-type]
    print(
        f"fitted in {time.monotonic() - started:.0f} s; margin "
        f"{out_of_distribution.entry.uncertainty_margin:.2f} logits"
    )
    shutil.rmtree(requested.out / "bundle", ignore_errors=True)
    shutil.copytree(bundle.path, requested.out / "bundle")
    manifest = bundle.manifest
    replace_fusion(
        read_bundle(requested.out / "bundle"),
        manifest.fusion,
        {},
        out_of_distribution,
        manifest.cascade,
    )
    known = known_scores(folds)  # type: ignore[arg-type]
    result: dict[str, object] = {
        "slack": out_of_distribution.entry.uncertainty_margin,
        "known": row("known", known, known),
    }
    for part in sorted({s[4] for s in known}):
        own = [s for s in known if s[4] == part]
        result[f"known {part}"] = row(f"known {part}", own, own)
    for name, outputs in groups.items():  # type: ignore[attr-defined]
        result[name] = row(name, scored(outputs, out_of_distribution), known)
    (requested.out / "refusal.json").write_text(
        json.dumps(result, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
