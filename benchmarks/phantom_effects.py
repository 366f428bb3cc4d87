"""What each accident of phantoms is worth on real images: twelve trainings, each tells of all.

    python benchmarks/phantom_effects.py TABLE.csv --out runs/effects

Two draws of the same phantoms differ by more than most accidents do, so leaving them out one by one
(`phantom_transfer.py`) tells little. Here every accident is in six of twelve trainings and out of
six, balanced against all others (Plackett and Burman 1946), and every training has phantoms of a
seed of its own. The effect of a factor is the mean of the six trainings with it less the mean of
the six without; its 95 % interval is that of least squares on 12 - 1 - 6 = 5 degrees of freedom.
Effects are of one factor alone: where two depend on each other, this design mixes that in.
To what `phantom_transfer.py` measures comes the linear probe of `probe.py`, which asks what the
encoder is worth on real images and not what its heads, fitted on phantoms, say of them.
OUT/effects.json holds the trainings and the effects. What is done already is not run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import phantom_transfer
import probe
from scipy.stats import t as student

# The first row of the design of twelve; the others are its shifts, and one without any.
_ROW = (1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0)
FACTORS = ("cast,jewellery", "borders", "streaks,enhancement", "holder", "marker,inverted")
FINDINGS = "findings other than fractures"
_SEED = 20_300


def design() -> np.ndarray:
    """(12, 6) of 0 and 1: which training has which factor; columns are balanced and orthogonal."""
    rows = [np.roll(_ROW, k) for k in range(11)] + [np.zeros(11, int)]
    return np.array(rows)[:, : len(FACTORS) + 1]


def options(row: np.ndarray, k: int) -> list[str]:
    """How `ulna phantom` makes the phantoms of training k."""
    left_out = [name for name, there in zip(FACTORS, row, strict=False) if not there]
    chosen = ["--seed", str(_SEED + k)]
    chosen += ["--without", ",".join(left_out)] if left_out else []
    return chosen if row[-1] else [*chosen, "--findings", "fracture"]


def effects(rows: np.ndarray, scores: list[dict[str, float]]) -> dict[str, dict[str, list[float]]]:
    """Factor -> score -> effect and its 95 % interval."""
    model = np.column_stack([np.ones(len(rows)), rows])
    spread = np.sqrt(np.diag(np.linalg.inv(model.T @ model)))
    free = len(rows) - model.shape[1]
    result: dict[str, dict[str, list[float]]] = {name: {} for name in (*FACTORS, FINDINGS)}
    for score in scores[0]:
        y = np.array([s[score] for s in scores])
        fit = np.linalg.lstsq(model, y, rcond=None)[0]
        sigma = np.sqrt(np.sum((y - model @ fit) ** 2) / free)
        half = float(student.ppf(0.975, free)) * sigma * spread
        for j, name in enumerate(result, start=1):
            result[name][score] = [fit[j], fit[j] - half[j], fit[j] + half[j]]
    return result


def probed(given: argparse.Namespace, name: str) -> dict[str, float]:
    """What `probe.py` says of a training, kept beside it."""
    folder = phantom_transfer.folder(given, name)
    kept = folder / "probe.json"
    if not kept.is_file():
        kept.write_text(json.dumps(probe.scores(folder / "run", given.table)) + "\n")
    result: dict[str, float] = json.loads(kept.read_text())
    return result


def main() -> None:
    """Run the twelve, print the effects."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--studies", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--only", type=int, nargs="+", help="some of the trainings 0 to 11")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rows, scores = design(), []
    for k in range(len(rows)) if given.only is None else given.only:
        name = f"training {k}"
        message = phantom_transfer.run(given, name, options(rows[k], k))
        scores.append(message | probed(given, name))
        print(name, *(f"{s} {v:.3f}" for s, v in scores[-1].items()), flush=True)
    if given.only is not None:
        return
    result = effects(rows, scores)
    for name, of in result.items():
        print(
            f"{name:30s}", *(f"{s} {e:+.3f} ({a:+.3f} to {b:+.3f})" for s, (e, a, b) in of.items())
        )
    kept = {"design": rows.tolist(), "scores": scores, "effects": result}
    (given.out / "effects.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
