"""Which accidents and findings of phantoms help on real images.

    python benchmarks/phantom_transfer.py TABLE.csv --out runs/phantom-transfer

Each variant: 400 phantom studies, the recipe `cassettes` for 8 epochs, and the bundle's answers on
the real images of TABLE, none of which was trained on: body part right (of the parts of the table,
and of wrist/hand, elbow/forearm, humerus/shoulder), AUROC of fractures, pointing game. Variants
differ in what their phantoms lack; the rest of each image is the same. OUT/transfer.json holds all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

VARIANTS: dict[str, list[str]] = {
    "all": [],
    "all, other phantoms": ["--seed", "20264"],
    "no cast, no jewellery": ["--without", "cast,jewellery"],
    "no borders": ["--without", "borders"],
    "no streaks, no enhancement": ["--without", "streaks,enhancement"],
    "no holder": ["--without", "holder"],
    "none of these": [
        "--without",
        "cast,jewellery,marker,inverted,borders,streaks,enhancement,holder",
    ],
    "collimated radiographs": ["--framing", "collimated"],
    "fractures alone": ["--findings", "fracture"],
}
PARTS = "ELBOW,FOREARM,HAND,HUMERUS,SHOULDER"
REGION = {
    "WRIST": "wrist, hand",
    "HAND": "wrist, hand",
    "ELBOW": "elbow, forearm",
    "FOREARM": "elbow, forearm",
    "HUMERUS": "humerus, shoulder",
    "SHOULDER": "humerus, shoulder",
}


def ulna(*arguments: object) -> None:
    """Run `ulna ARGUMENTS`; a failure ends the benchmark."""
    subprocess.run([sys.executable, "-m", "ulna", *map(str, arguments)], check=True)


def folder(given: argparse.Namespace, name: str) -> Path:
    """Where a variant keeps its phantoms, run, bundle and evaluation."""
    return Path(given.out) / name.replace(" ", "_").replace(",", "")


def run(given: argparse.Namespace, name: str, variant: list[str]) -> dict[str, float]:
    """What a network trained on the phantoms of `ulna phantom VARIANT` says of the real images."""
    out = folder(given, name)
    phantoms, evaluation = out / "phantoms", out / "evaluation"
    options = ["--framing", "plate", "--seed", 20263, *variant]
    if not (phantoms / "truth.csv").is_file():
        ulna("phantom", phantoms, "--studies", given.studies, "--size", 448, "--parts", PARTS,
             "--valid-share", 0.05, *options)  # fmt: skip
    if not (evaluation / "metrics.json").is_file():
        changes = {"epochs": given.epochs, "hard_negatives_every": 4, "ema_decay": 0.95}
        short = [w for k, v in changes.items() for w in ("--set", f"experts.cnn.{k}={v}")]
        ulna("train", phantoms, "--recipe", "cassettes", *short, "--initial", "random",
             "--out", out / "run", "--resume")  # fmt: skip
        ulna("export", out / "run", "--out", out / "bundle")
        ulna("evaluate", given.table, "--bundle", out / "bundle", "--split", "all",
             "--out", evaluation)  # fmt: skip
    return scores(json.loads((evaluation / "metrics.json").read_text()))


def scores(metrics: dict[str, object]) -> dict[str, float]:
    """The four numbers of a variant."""
    confusion = metrics["body_part"]["confusion"]  # type: ignore[index]
    pairs = [(t, r, n) for t, row in confusion.items() for r, n in row.items()]
    total = sum(n for *_, n in pairs)
    overall, place = metrics["by_body_part"]["ALL"], metrics["localisation"]  # type: ignore[index]
    return {
        "body part": sum(n for t, r, n in pairs if t == r) / total,
        "region": sum(n for t, r, n in pairs if REGION[t] == REGION[r]) / total,
        "auroc": overall["auroc"]["value"],  # type: ignore[index]
        "pointing": place["pointing_game"],  # type: ignore[index]
    }


def main() -> None:
    """Run the variants asked for; print and keep what they gave."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    result = {}
    for name in given.variants:
        result[name] = run(given, name, VARIANTS[name])
        print(
            f"{name:28s} " + "  ".join(f"{k} {v:.3f}" for k, v in result[name].items()), flush=True
        )
        (given.out / "transfer.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
