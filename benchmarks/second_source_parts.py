"""Body parts of another hospital: heads fitted with films of further sources beside the first.

    python benchmarks/second_source_parts.py FILMS.npz [MORE.npz ...] --out parts.json

FILMS: of `second_source_films.py`. The body-part heads of a cross-validation's graphs beside ones
fitted anew on their frozen features (`ulna.evaluation.sources.probe.fit_logistic`: classes weigh
alike): on films of the first source that the graph's trunk has not learned from, alone and with all
films of other sources. The second source is left out of all and asked; the first is answered by
cross-validation over patients.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent))

from second_source import (  # noqa: E402
    FOLDS,
    PARTS,
    SEED,
    Bools,
    Films,
    Floats,
    folds_of,
    read_films,
    where,
)

from ulna.evaluation.scores import Json, interval_json  # noqa: E402
from ulna.evaluation.sources.probe import fit_logistic  # noqa: E402
from ulna.metrics.bootstrap import bootstrap_intervals  # noqa: E402

PENALTY = 0.5


def body_parts(films: Films, parts: Sequence[str], own: str, second: str) -> Json:
    """By what was fitted beside the first source: body parts of the second, and of the first."""
    others = [str(s) for s in np.unique(films["source"]) if s not in (own, second)]
    sets: dict[str, list[str] | None] = {"heads of the graph": None, "first alone": []}
    sets |= {f"with {o}": [o] for o in others}
    if len(others) > 1:
        sets[f"with {' and '.join(others)}"] = others
    found: Json = {}
    for name, beside in sets.items():
        asked = [_said_part(films, parts, own, second, beside, int(k)) for k in _folds(films)]
        mine = np.concatenate([a[0] for a in asked])
        theirs = np.mean([a[1] for a in asked], axis=0)
        found[name] = _part_scores(films, parts, own, second, mine, theirs)
    return found


def _folds(films: Films) -> npt.NDArray[np.int64]:
    return np.unique(films["fold"]).astype(np.int64)


def _said_part(
    films: Films, parts: Sequence[str], own: str, second: str, beside: list[str] | None, k: int
) -> tuple[Floats, Floats]:
    """Probabilities for the films of the first source in fold k, and for the second's."""
    at = where(films, films["fold"] == k)
    mine, theirs = (where(at, at["source"] == s) for s in (own, second))
    if beside is None:
        return _shares(mine["body_part"]), _shares(theirs["body_part"])
    extra = where(at, np.isin(at["source"], beside))

    def fitted(base: Films) -> tuple[Floats, Floats]:
        x = np.concatenate([base["features"], extra["features"]]).astype(np.float64)
        truth = [parts.index(str(p)) for p in (*base["part"], *extra["part"])]
        return fit_logistic(x, np.array(truth), len(parts), PENALTY)

    fold, found = folds_of(mine), np.empty((len(mine["part"]), len(parts)))
    for f in range(FOLDS):
        weight, bias = fitted(where(mine, fold != f))
        found[fold == f] = _shares(mine["features"][fold == f] @ weight + bias)
    weight, bias = fitted(mine)
    return found, _shares(theirs["features"] @ weight + bias)


def _shares(logits: npt.NDArray[np.generic]) -> Floats:
    z = logits.astype(np.float64)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _part_scores(
    films: Films, parts: Sequence[str], own: str, second: str, mine: Floats, theirs: Floats
) -> Json:
    """Shares with intervals over patients."""
    order = [where(films, (films["fold"] == k) & (films["source"] == own)) for k in _folds(films)]
    of = {k: np.concatenate([o[k] for o in order]) for k in ("part", "patient")}
    other = where(films, (films["fold"] == _folds(films)[0]) & (films["source"] == second))
    said = np.array(parts)[mine.argmax(axis=1)]
    called = np.array(parts)[theirs.argmax(axis=1)]
    hand = of["part"] == "HAND"
    right = said == of["part"]
    merged = right | (np.isin(said, PARTS) & np.isin(of["part"], PARTS))
    pairs = {
        f"{second}: called WRIST": (called == "WRIST", other["patient"]),
        f"{second}: called HAND or WRIST": (np.isin(called, PARTS), other["patient"]),
        f"{own}: right": (right, of["patient"]),
        f"{own}: right, HAND and WRIST as one": (merged, of["patient"]),
        f"{own}: hands called WRIST": (said[hand] == "WRIST", of["patient"][hand]),
    }
    return {k: _share(v, p) for k, (v, p) in pairs.items()}


def _share(hits: Bools, patients: npt.NDArray[np.generic]) -> Json:
    def mean(w: Floats) -> Floats:
        return np.asarray(w @ hits / w.sum(axis=1))

    return interval_json(bootstrap_intervals(patients.astype(str), {"v": mean}, 1000, SEED)["v"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", type=Path, nargs="+")
    parser.add_argument("--own", default="fracatlas")
    parser.add_argument("--second", default="mendeley_wrist")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    parts = [str(p) for p in np.load(given.films[0])["parts"]]
    films = read_films(given.films)
    plain = where(films, films["control"] == "plain")
    text = json.dumps(body_parts(plain, parts, given.own, given.second), indent=1)
    given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
