"""How many wrong labels `ulna review` finds, on phantoms some of whose labels were turned round.

    ulna phantom runs/noise/phantoms --studies 1200 --seed 505 --valid-share 0
    python benchmarks/label_noise.py turn runs/noise/phantoms --out runs/noise
    ulna crossval runs/noise/table.csv --recipe runs/noise/recipe.json --out runs/noise/cv
    ulna review runs/noise/table.csv --from runs/noise/cv --out runs/noise/review
    python benchmarks/label_noise.py count runs/noise
    python benchmarks/label_noise.py compare runs/noise/cv/evaluation/predictions.csv \\
        --undo runs/noise/turned.csv

`turn` writes a table with the label of a random share of the studies turned round, what they were
(turned.csv) and the recipe. A turned study loses its mask and its kind of finding, as whoever
labelled it would not have drawn one; the table says nothing of grades. `count` prints the share of
turned labels in the first tenth of the list with Wilson's interval, by direction and by grade.
`compare` turns 5 % of the labels of any out-of-fold table round, 400 times and after the fact (so
no expert has learned from them), and prints the mean share that each of cleanlab's orders finds;
--undo first turns those of an earlier `turn` back.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cleanlab.rank import get_label_quality_scores

from ulna.config.codec import write_json
from ulna.config.recipe import Recipe
from ulna.datasets import index_phantoms
from ulna.evaluation.out_of_fold import read_answers
from ulna.recipes import RECIPES
from ulna.types import Study

Array = npt.NDArray[np.generic]
HEAD = 0.10
DRAWS = 400
COLUMNS = (
    "path",
    "patient_id",
    "study_id",
    "body_part",
    "abnormal",
    "view",
    "laterality",
    "findings",
    "mask",
)


def noise_recipe() -> Recipe:
    """The demo's `cnn` alone: the shipped trunk stays as it is, neck and heads learn from DATA."""
    demo = RECIPES["demo"]()
    own = replace(
        demo.experts[0],
        epochs=6,
        frozen_epochs=6,
        crop_share=1.0,
        fit_heads=True,
        test_mirror=True,
    )
    return replace(demo, name="label-noise", description="", experts=(own,), minutes=0.0)


def turn(phantoms: Path, out: Path, share: float, seed: int) -> None:
    """Write table.csv, turned.csv and recipe.json into `out`."""
    studies = index_phantoms(phantoms)
    out.mkdir(parents=True, exist_ok=True)
    count = round(share * len(studies))
    chosen = np.random.default_rng(seed).choice(len(studies), count, replace=False)
    with (out / "table.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        for i, study in enumerate(studies):
            writer.writerows(_rows(study, i in set(chosen), out))
    with (out / "turned.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("study", "truth", "grade"))
        for i in sorted(chosen):
            grade = studies[i].subtlety
            truth = "abnormal" if studies[i].abnormal else "normal"
            writer.writerow((_key(studies[i]), truth, grade.value if grade else ""))
    write_json(noise_recipe(), out / "recipe.json")
    print(f"{count} of {len(studies)} labels turned round (seed {seed}): {out / 'table.csv'}")


def _key(study: Study) -> str:
    return f"{study.body_part}/{study.patient_id}/{_study_id(study)}"


def _study_id(study: Study) -> str:
    return f"{study.body_part}_{study.patient_id}_{study.study_id}"


def _rows(study: Study, turned: bool, out: Path) -> list[tuple[str, ...]]:
    label = bool(study.abnormal) is not turned
    kinds = "" if turned else ";".join(sorted(study.categories or ()))
    return [
        (
            os.path.relpath(image.path, out),
            study.patient_id,
            _study_id(study),
            str(study.body_part),
            str(int(label)),
            image.view,
            image.laterality.value,
            kinds,
            "" if turned or image.mask is None else os.path.relpath(image.mask, out),
        )
        for image in study.images
    ]


def count(out: Path, review: Path) -> None:
    """Print the shares; a JSON line last."""
    with (out / "turned.csv").open(newline="") as handle:
        turned = {r["study"]: r for r in csv.DictReader(handle)}
    with review.open(newline="") as handle:
        listed = list(csv.DictReader(handle))
    head = {r["study"] for r in listed[: round(HEAD * len(listed))]}
    flagged = {r["study"] for r in listed if r["flagged"] == "1"}
    for name, keys in _groups(turned).items():
        result = len(head & set(keys))
        low, high = wilson(result, len(keys))
        share = f"{result / len(keys):.2f} ({low:.2f} to {high:.2f})"
        print(f"{name:30s} {result:3d} of {len(keys):3d}  {share}")
    print(f"by chance {HEAD:.2f}; list {len(listed)}, its first tenth {len(head)}")
    right = len(flagged & set(turned))
    print(f"flagged {len(flagged)}, of them {right} turned; turned in all {len(turned)}")
    print(json.dumps({"recall": len(head & set(turned)) / len(turned), "n": len(turned)}))


def _groups(turned: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """Keys of the turned studies: all, by direction, and the truly abnormal ones by grade."""
    groups: dict[str, list[str]] = {
        "all": list(turned),
        "all but subtle findings": [k for k, r in turned.items() if r["grade"] != "subtle"],
        "normal, labelled abnormal": [k for k, r in turned.items() if r["truth"] == "normal"],
        "abnormal, labelled normal": [k for k, r in turned.items() if r["truth"] == "abnormal"],
    }
    for grade in ("obvious", "moderate", "subtle"):
        groups[f"  {grade} finding"] = [k for k, r in turned.items() if r["grade"] == grade]
    return {name: keys for name, keys in groups.items() if keys}


def compare(predictions: Path, undo: Path | None, share: float, seed: int) -> None:
    """Print the mean share of turned labels in the first tenth, by order."""
    answers = read_answers(predictions)
    rng, parts, p = np.random.default_rng(seed), np.array(answers.parts), answers.probability
    n, before = len(p), answers.abnormal.copy()
    if undo is not None:
        with undo.open(newline="") as handle:
            before ^= np.isin(answers.keys, [r["study"] for r in csv.DictReader(handle)])
    result: dict[str, list[float]] = {}
    for _ in range(DRAWS):
        turned = rng.choice(n, round(share * n), replace=False)
        labels = before.copy()
        labels[turned] ^= True
        for name, score in _orders(labels, p, parts).items():
            head = np.argsort(score, kind="stable")[: round(HEAD * n)]
            result.setdefault(name, []).append(float(np.isin(turned, head).mean()))
    print(f"{n} studies, {before.mean():.0%} labelled abnormal, {DRAWS} draws")
    for name, shares in result.items():
        low, high = np.quantile(shares, [0.025, 0.975])
        print(f"{name:40s} {np.mean(shares):.3f}, 95 % of draws {low:.2f} to {high:.2f}")


def _orders(labels: Array, p: Array, parts: Array) -> dict[str, Array]:
    both, given = np.stack([1 - p, p], axis=1), labels.astype(int)
    by_part = np.empty(len(p))
    for part in np.unique(parts):
        own = parts == part
        by_part[own] = get_label_quality_scores(given[own], both[own], adjust_pred_probs=True)
    return {
        "self-confidence": get_label_quality_scores(given, both),
        "adjusted by class": get_label_quality_scores(given, both, adjust_pred_probs=True),
        "adjusted by class within each body part": by_part,
    }


def wilson(result: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    middle = (result + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(result * (n - result) / n + z * z / 4)
    return float(middle - half), float(middle + half)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("turn")
    first.add_argument("phantoms", type=Path)
    first.add_argument("--out", type=Path, required=True)
    first.add_argument("--share", type=float, default=0.05)
    first.add_argument("--seed", type=int, default=0)
    second = steps.add_parser("count")
    second.add_argument("out", type=Path)
    second.add_argument("--review", type=Path, help="[default: OUT/review/review.csv]")
    third = steps.add_parser("compare")
    third.add_argument("predictions", type=Path)
    third.add_argument("--undo", type=Path, metavar="turned.csv")
    third.add_argument("--share", type=float, default=0.05)
    third.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    if given.step == "turn":
        turn(given.phantoms, given.out, given.share, given.seed)
    elif given.step == "compare":
        compare(given.predictions, given.undo, given.share, given.seed)
    else:
        count(given.out, given.review or given.out / "review" / "review.csv")


if __name__ == "__main__":
    main()
