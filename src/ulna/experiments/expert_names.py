"""Experts of a cross-validation's bundle, which has one graph of each for every fold."""

from __future__ import annotations

from collections.abc import Iterable


def by_folds(names: Iterable[str]) -> dict[str, list[str]]:
    """Names of experts under what they are called in a line: 'cnn-0', 'cnn-1' as 'cnn (2)'.

    Only names that count from 0 without a gap are of folds; 'net-1', 'net-2' are two experts.
    """
    given = list(names)
    stems: dict[str, list[str]] = {}
    for name in given:
        stem, _, fold = name.rpartition("-")
        if stem and fold.isdecimal():
            stems.setdefault(stem, []).append(name)
    folds = {
        stem: own
        for stem, own in stems.items()
        if len(own) > 1 and {*own} == {f"{stem}-{k}" for k in range(len(own))}
    }
    result: dict[str, list[str]] = {}
    for name in given:
        stem = name.rpartition("-")[0]
        whole = name in folds.get(stem, ())
        result[f"{stem} ({len(folds[stem])})" if whole else name] = folds[stem] if whole else [name]
    return result
