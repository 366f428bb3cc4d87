"""Experts of a cross-validation's bundle, which has one graph of each for every fold."""

from __future__ import annotations

from collections.abc import Iterable


def by_folds(names: Iterable[str]) -> dict[str, list[str]]:
    """Names of experts under what they are called in a line: 'cnn-0', 'cnn-1' as 'cnn (2)'."""
    found: dict[str, list[str]] = {}
    for name in names:
        stem, _, fold = name.rpartition("-")
        found.setdefault(stem if stem and fold.isdecimal() else name, []).append(name)
    return {f"{stem} ({len(own)})" if len(own) > 1 else own[0]: own for stem, own in found.items()}
