"""Body parts of another hospital: heads fitted with images of further sources beside the first.

    python benchmarks/second_source_parts.py FILMS.npz [MORE.npz ...] --out parts.json

FILMS: of `second_source_films.py`. The body-part heads of a cross-validation's graphs beside ones
fitted anew on their frozen features (`ulna.robustness.sources.probe.fit_logistic`: classes weigh
alike): on images of the first source that the graph's trunk has not learned from, alone and with
all images of other sources. Those of --asked are left out of all and asked; the first is answered
by cross-validation over patients.
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
    Floats,
    Images,
    folds_of,
    read_images,
    where,
)

from ulna.evaluation.scores import Json, interval_json  # noqa: E402
from ulna.metrics.bootstrap import bootstrap_intervals  # noqa: E402
from ulna.robustness.sources.probe import fit_logistic  # noqa: E402

PENALTY = 0.5


def body_parts(images: Images, parts: Sequence[str], own: str, asked_of: Sequence[str]) -> Json:
    """By what was fitted beside the first source: body parts of it, and of those left out."""
    others = [str(s) for s in np.unique(images["source"]) if s not in (own, *asked_of)]
    sets: dict[str, list[str] | None] = {"heads of the graph": None, "first alone": []}
    sets |= {f"with {o}": [o] for o in others}
    if len(others) > 1:
        sets[f"with {' and '.join(others)}"] = others
    result: Json = {}
    for name, beside in sets.items():
        requested = [
            _said_part(images, parts, own, asked_of, beside, int(k)) for k in _folds(images)
        ]
        result[name] = _own_scores(images, parts, own, np.concatenate([a[0] for a in requested]))
        for i, source in enumerate(asked_of):
            theirs = np.mean([a[1][i] for a in requested], axis=0)
            result[name] |= _other_scores(images, parts, source, theirs)
    return result


def _folds(images: Images) -> npt.NDArray[np.int64]:
    return np.unique(images["fold"]).astype(np.int64)


def _said_part(
    images: Images,
    parts: Sequence[str],
    own: str,
    asked_of: Sequence[str],
    beside: list[str] | None,
    k: int,
) -> tuple[Floats, list[Floats]]:
    """Probabilities of images of the first source in fold k, and for each of those left out."""
    at = where(images, images["fold"] == k)
    mine, *theirs = (where(at, at["source"] == s) for s in (own, *asked_of))
    if beside is None:
        return _shares(mine["body_part"]), [_shares(t["body_part"]) for t in theirs]
    extra = where(at, np.isin(at["source"], beside))

    def fitted(base: Images) -> tuple[Floats, Floats]:
        x = np.concatenate([base["features"], extra["features"]]).astype(np.float64)
        truth = [parts.index(str(p)) for p in (*base["part"], *extra["part"])]
        return fit_logistic(x, np.array(truth), len(parts), PENALTY)

    fold, result = folds_of(mine), np.empty((len(mine["part"]), len(parts)))
    for f in range(FOLDS):
        weight, bias = fitted(where(mine, fold != f))
        result[fold == f] = _shares(mine["features"][fold == f] @ weight + bias)
    weight, bias = fitted(mine)
    return result, [_shares(t["features"] @ weight + bias) for t in theirs]


def _shares(logits: npt.NDArray[np.generic]) -> Floats:
    z = logits.astype(np.float64)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _own_scores(images: Images, parts: Sequence[str], own: str, mine: Floats) -> Json:
    """Of the first source, with intervals over patients."""
    order = [
        where(images, (images["fold"] == k) & (images["source"] == own)) for k in _folds(images)
    ]
    of = {k: np.concatenate([o[k] for o in order]) for k in ("part", "patient")}
    message, hand = np.array(parts)[mine.argmax(axis=1)], of["part"] == "HAND"
    right = message == of["part"]
    merged = right | (np.isin(message, PARTS) & np.isin(of["part"], PARTS))
    return {
        f"{own}: right": _share(right, of["patient"]),
        f"{own}: right, HAND and WRIST as one": _share(merged, of["patient"]),
        f"{own}: hands called WRIST": _share(message[hand] == "WRIST", of["patient"][hand]),
    }


def _other_scores(images: Images, parts: Sequence[str], source: str, theirs: Floats) -> Json:
    """Of a source that was left out."""
    other = where(images, (images["fold"] == _folds(images)[0]) & (images["source"] == source))
    called = np.array(parts)[theirs.argmax(axis=1)]
    return {
        f"{source}: right": _share(called == other["part"], other["patient"]),
        f"{source}: called WRIST": _share(called == "WRIST", other["patient"]),
        f"{source}: called HAND or WRIST": _share(np.isin(called, PARTS), other["patient"]),
    }


def _share(hits: Bools, patients: npt.NDArray[np.generic]) -> Json:
    def mean(w: Floats) -> Floats:
        return np.asarray(w @ hits / w.sum(axis=1))

    return interval_json(bootstrap_intervals(patients.astype(str), {"v": mean}, 1000, SEED)["v"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", type=Path, nargs="+")
    parser.add_argument("--own", default="fracatlas")
    parser.add_argument("--asked", default="mendeley_wrist", help="sources left out, with commas")
    parser.add_argument("--folds", default="", help="with commas; all if none")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    parts = [str(p) for p in np.load(given.images[0])["parts"]]
    images = read_images(given.images)
    folds = [int(k) for k in given.folds.split(",") if k] or [*np.unique(images["fold"])]
    plain = where(images, (images["control"] == "plain") & np.isin(images["fold"], folds))
    text = json.dumps(body_parts(plain, parts, given.own, given.requested.split(",")), indent=1)
    given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
