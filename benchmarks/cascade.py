"""What a cascade saves and whether its bound holds: out of fold, from a table.

    python benchmarks/cascade.py runs/cv/evaluation/predictions.csv runs/cv/fold*/bundle
    python benchmarks/cascade.py runs/unseen-evaluation/predictions.csv runs/demo/bundle

No network runs: the experts' logits are read from the table, fusion, thresholds and cascade are
fitted on the other folds and asked on the fold. Where the table is of one evaluation and one
bundle is given, the folds are by patient (--folds). What it saves in time: `trained.py`.
"""

from __future__ import annotations

import argparse
import csv
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ulna.bundle import Manifest
from ulna.calibration.cross_fit import cross_fit
from ulna.cli.evaluate import cascade_sentence
from ulna.cli.output import print_table
from ulna.config.engine import EngineSettings
from ulna.evaluation.cascade_scores import cascade_scores
from ulna.evaluation.scores import Resampling
from ulna.imaging.geometry import Placement
from ulna.runtime import ExpertOutput, ImageOutputs, Predictor, StudyOutputs
from ulna.types import BodyPart, ImageRef, Study


def study_outputs(lines: Sequence[dict[str, str]], manifest: Manifest) -> StudyOutputs:
    """What the experts said of a study by its rows: flat maps, since none is in the table."""
    head = lines[0]
    part = BodyPart(head["body_part"])
    refs = tuple(ImageRef(Path(row["image"])) for row in lines)
    label = head["abnormal"] == "1"
    study = Study(head["patient"], head["study"].split("/")[-1], part, refs, label)
    sure = np.array([9.0 * (p == part) for p in manifest.body_parts], np.float32)
    images = []
    for ref, row in zip(refs, lines, strict=True):
        experts = {}
        for expert in manifest.experts:
            p = np.clip(float(row[f"image_{expert.name}"]), 1e-15, 1 - 1e-15)
            logit = np.full(len(manifest.body_parts), np.log(p / (1 - p)), np.float32)
            cam = logit - np.array([expert.biases[b] for b in manifest.body_parts], np.float32)
            finding = np.zeros(len(manifest.categories), np.float32)
            experts[expert.name] = ExpertOutput(logit, sure, finding, cam[:, None, None])
        images.append(ImageOutputs(ref, Placement.fit((8, 8), 8), experts))
    return StudyOutputs(study, tuple(images))


def folds(table: Path, bundles: Sequence[Path], n_folds: int, point: str | None) -> None:
    """Cross-fitted agreement of cascade and hybrid on a table of predictions."""
    predictors = [Predictor.load(b, EngineSettings(threads=1)) for b in bundles]
    manifest = predictors[0].manifest
    by_fold: dict[str, dict[str, list[dict[str, str]]]] = {}
    with table.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            if not row["image_probability"] or not row["abnormal"]:
                continue
            one = len(bundles) == 1
            fold = f"{zlib.crc32(row['patient'].encode()) % n_folds}" if one else row["split"]
            by_fold.setdefault(fold, {}).setdefault(row["study"], []).append(row)
    names = sorted(by_fold)
    outputs = [[study_outputs(s, manifest) for s in by_fold[f].values()] for f in names]
    if len(bundles) == 1:
        predictors *= len(names)
    chosen = point or manifest.operating_point
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = cross_fit(predictors, outputs, chosen)
    result = cascade_scores(rows, Resampling())
    assert result is not None
    print(f"{chosen}, {len(names)} folds: {cascade_sentence(result)}")
    table_rows = [[p, *(str(v) for v in own.values())] for p, own in result["by_body_part"].items()]
    print_table("", ["body part", "studies", "left early", "changed side"], table_rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--operating-point")
    given = parser.parse_args()
    folds(given.table, given.bundles, given.folds, given.operating_point)


if __name__ == "__main__":
    main()
