"""Scores of a cross-validation by group of studies, and differences from other methods."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ulna.datasets.overlap import key_without_source, source_of_key
from ulna.errors import ConfigError
from ulna.evaluation.groups import Groups, region_groups
from ulna.evaluation.out_of_fold import (
    FoldAnswers,
    difference,
    group_masks,
    of_folds,
    of_source,
    read_answers,
    score,
)
from ulna.evaluation.scores import Json, Resampling
from ulna.types import BodyPart


def score_folds(
    answers: FoldAnswers, groups: Groups, others: Mapping[str, Path], resampling: Resampling
) -> Json:
    """Return `{scores: {group: ...}, minus: {name: {group: ...}}}` by region and by `groups`.

    others are the predictions.csv of other methods on the same folds, by name. Methods are
    compared on the folds that both have answered. Where one method has a single source and the
    other several, they are compared on that source, whose folds do not depend on the others.
    Raises ConfigError where fewer than two folds are in common.
    """
    masks = group_masks(answers, _named(answers, groups))
    result: Json = {
        "scores": {n: score(answers, m, resampling) for n, m in masks.items()},
        "minus": {},
    }
    for name, file in others.items():
        mine, theirs, own = _of_common_source(answers, read_answers(file), groups)
        folds = sorted({*mine.folds} & {*theirs.folds})
        if len(folds) < 2:
            raise ConfigError(
                f"{file}: folds {', '.join(sorted({*theirs.folds}))}, of which {len(folds)} are "
                f"among {', '.join(sorted({*mine.folds}))}: expected two or more in common"
            )
        mine, theirs = of_folds(mine, folds), of_folds(theirs, folds)
        result["minus"][name] = {
            n: difference(mine, theirs, m, resampling)
            for n, m in group_masks(mine, _named(mine, own)).items()
        }
    return result


def _named(answers: FoldAnswers, groups: Groups) -> Groups:
    parts = {k: BodyPart(p) for k, p in zip(answers.keys, answers.parts, strict=True)}
    return {**region_groups(parts), **groups}


def _of_common_source(
    mine: FoldAnswers, theirs: FoldAnswers, groups: Groups
) -> tuple[FoldAnswers, FoldAnswers, Groups]:
    """Restrict both to the source that they share, where one of them has no other source."""
    if mine.keys == theirs.keys:
        return mine, theirs, groups
    for source in sorted({*map(source_of_key, mine.keys)} - {""}):
        own = of_source(mine, source)
        if own.keys == theirs.keys:
            renamed = {
                name: {key_without_source(key, source): value for key, value in values.items()}
                for name, values in groups.items()
                if name != "source"
            }
            return own, theirs, renamed
    for source in sorted({*map(source_of_key, theirs.keys)} - {""}):
        other = of_source(theirs, source)
        if other.keys == mine.keys:
            return mine, other, groups
    return mine, theirs, groups
