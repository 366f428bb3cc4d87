"""Names of experts in a cross-validation's bundle, which has one graph for each fold."""

from __future__ import annotations

from collections.abc import Iterable


def by_folds(names: Iterable[str]) -> dict[str, list[str]]:
    """Group the names of experts by the expert they belong to: 'cnn-0', 'cnn-1' as 'cnn (2)'.

    Only names that count from 0 without a gap belong to folds; 'net-1', 'net-2' are two experts.
    """
    every = list(names)
    stems: dict[str, list[str]] = {}
    for name in every:
        stem, _, fold = name.rpartition("-")
        if stem and fold.isdecimal():
            stems.setdefault(stem, []).append(name)
    folds = {
        stem: members
        for stem, members in stems.items()
        if len(members) > 1 and {*members} == {f"{stem}-{k}" for k in range(len(members))}
    }
    groups: dict[str, list[str]] = {}
    for name in every:
        stem = name.rpartition("-")[0]
        if name in folds.get(stem, ()):
            groups[f"{stem} ({len(folds[stem])})"] = folds[stem]
        else:
            groups[name] = [name]
    return groups
