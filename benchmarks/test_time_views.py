"""What asking several views of an image brings: the folds of a cross-validation, exported anew.

    python benchmarks/test_time_views.py runs/fracatlas/folds --out runs/views

Nothing is trained: each variant has the weights of RUN, a folder of `ulna crossval`, and answers
by the mean over mirror images and scales (`test_mirror`, `test_scales`), as part of its graphs.
Fusion and thresholds are fitted across folds as in RUN. Prints AUROC and the paired difference.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

VARIANTS: dict[str, dict[str, Any]] = {
    "mirror": {"test_mirror": True},
    "scales": {"test_scales": [1.0, 0.8, 1.2]},
    "mirror_and_scales": {"test_mirror": True, "test_scales": [1.0, 0.8, 1.2]},
}


def changed(recipe: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`recipe` whose experts all have `changes`."""
    return recipe | {"experts": [expert | changes for expert in recipe["experts"]]}


def prepare(run: Path, out: Path, changes: dict[str, Any]) -> list[str]:
    """The folds of `run` with other test-time settings; the command that answers them."""
    settings = json.loads((run / "crossval.json").read_text())
    out.mkdir(parents=True, exist_ok=True)
    recipe = out.with_suffix(".json")
    recipe.write_text(json.dumps(changed(settings["recipe"], changes)))
    for k in range(settings["folds"]):
        fold = out / f"fold{k}"
        if not fold.is_dir():
            shutil.copytree(run / fold.name, fold, ignore=shutil.ignore_patterns("bundle"))
            own = json.loads((fold / "recipe.json").read_text())
            (fold / "recipe.json").write_text(json.dumps(changed(own, changes)))
    saved = settings | {"recipe": changed(settings["recipe"], changes)}
    (out / "crossval.json").write_text(json.dumps(saved))
    command = [sys.executable, "-m", "ulna", "crossval", settings["data"], "--recipe", str(recipe)]
    also = ["--also", settings["also"]] if settings.get("also") else []
    return [*command, "--out", str(out), "--against", str(run), "--json", *also]


def main() -> None:
    """Answer the folds by each variant; print what it changes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="Decoded images of RUN.")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    given = parser.parse_args()
    for name in given.variants:
        command = prepare(given.run, given.out / name, VARIANTS[name])
        done = subprocess.run(
            [*command, "--cache", str(given.cache)], stdout=subprocess.PIPE, check=True, text=True
        )
        result = json.loads(done.stdout)
        minus = result["minus"][given.run.name]["all"]["auroc"]
        print(
            f"{name:20s} AUROC {result['scores']['all']['auroc']['value']:.3f}, minus one view "
            f"{minus['value']:+.4f} ({minus['low']:+.3f} to {minus['high']:+.3f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
