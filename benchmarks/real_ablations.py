"""What a setting does on real images, quickly: two folds, few epochs, each beside the same base.

    python benchmarks/real_ablations.py TABLE.csv --trunk runs/fracatlas/trunk --out runs/ablations

Every variant is the recipe `fracatlas_cnn` at 448 px with 24 epochs, searches for hard windows at
every eighth, on the folds 0 and 1 of `ulna crossval`, and differs from `base` in what is named.
Windows are 96 px at every resolution, so steps cost the same; `whole` has as many epochs as its
steps, eight times as dear, allow. What is done already is not run again. OUT/ablations.json holds
AUROC and pointing game of every variant and their paired differences from `base`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

SHORT = {
    "input_spec.size": "448",
    "experts.cnn.epochs": "24",
    "experts.cnn.hard_negatives_every": "8",
}
VARIANTS: dict[str, dict[str, str]] = {
    "base": {},
    # nothing but another draw: how much of a difference is chance
    "other_seed": {"seed": "100"},
    "224px": {"input_spec.size": "224"},
    "320px": {"input_spec.size": "320"},
    "512px": {"input_spec.size": "512"},
    # windows still aim at the boxes and are labelled by them; the attention is not told
    "no_attention_loss": {"loss.attention": "0"},
    # no box is used at all: whole images, labels of images
    "whole": {
        "loss.attention": "0",
        "experts.cnn.crop_share": "0",
        "experts.cnn.crop_size": "0",
        "experts.cnn.train_encoder_on_whole": "true",
        "experts.cnn.epochs": "3",
        "experts.cnn.hard_negatives_every": "0",
    },
}
MEASURES = ("auroc", "pointing_game", "pointing_game_true_positives")


def run(given: argparse.Namespace, name: str, initial: str) -> dict[str, object]:
    """Scores of one variant, and its differences from base where that is done."""
    out = given.out / name
    changes = SHORT | VARIANTS.get(name, {})
    command = [
        sys.executable,
        "-m",
        "ulna",
        "crossval",
        str(given.table),
        "--recipe",
        "fracatlas_cnn",
    ]
    command += ["--initial", initial, "--only", "0", "--only", "1", "--out", str(out), "--json"]
    command += ["--cache", str(given.out / f"cache{changes['input_spec.size']}")]
    command += ["--jobs", str(given.jobs)]
    for key, value in changes.items():
        command += ["--set", f"{key}={value}"]
    if name != "base":
        command += ["--against", str(given.out / "base")]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    result = json.loads(done.stdout)
    own = {m: result["scores"]["all"][m] for m in MEASURES}
    minus = {m: result["minus"]["base"]["all"][m] for m in MEASURES if result["minus"]}
    return {"scores": own, "minus_base": minus}


def main() -> None:
    """Run the variants asked for; print and keep what they gave."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--trunk", required=True, help="A run of `ulna train`: where folds start.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument(
        "--start", nargs="+", default=[], metavar="NAME=KIND[:PATH]", help="Other starts of base."
    )
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    kept = given.out / "ablations.json"
    result = json.loads(kept.read_text()) if kept.is_file() else {}
    wanted = [(name, f"run:{given.trunk}") for name in given.variants]
    wanted += [tuple(one.split("=", 1)) for one in given.start]
    for name, initial in wanted:
        result = json.loads(kept.read_text()) if kept.is_file() else {}
        result[name] = run(given, name, initial)
        kept.write_text(json.dumps(result, indent=1) + "\n")
    for name, entry in result.items():
        cells = []
        for measure in MEASURES:
            value = entry["scores"][measure]["value"]
            minus = entry["minus_base"].get(measure)
            text = f"{measure} {value:.3f}"
            if minus:
                text += f" ({minus['value']:+.3f}, {minus['low']:+.2f} to {minus['high']:+.2f})"
            cells.append(text)
        print(f"{name:20s} " + "; ".join(cells))


if __name__ == "__main__":
    main()
