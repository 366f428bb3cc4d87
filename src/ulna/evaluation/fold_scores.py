"""scores.json of a cross-validation: every group of studies, and differences from others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ulna.errors import ConfigError
from ulna.evaluation.groups import Groups, region_groups
from ulna.evaluation.out_of_fold import (
    FoldAnswers,
    difference,
    group_masks,
    of_folds,
    read_answers,
    score,
)
from ulna.evaluation.scores import Json, Resampling
from ulna.types import BodyPart


def score_folds(
    answers: FoldAnswers, groups: Groups, others: Mapping[str, Path], how: Resampling
) -> Json:
    """`{scores: {group: ...}, minus: {name: {group: ...}}}`, groups by region and by `groups`.

    others: predictions.csv of other methods on the same folds, by name; compared on the folds
    that both have answered. Raises ConfigError where these are fewer than two.
    """
    parts = {k: BodyPart(p) for k, p in zip(answers.keys, answers.parts, strict=True)}
    named = {**region_groups(parts), **groups}
    masks = group_masks(answers, named)
    found: Json = {"scores": {n: score(answers, m, how) for n, m in masks.items()}, "minus": {}}
    for name, file in others.items():
        other = read_answers(file)
        folds = sorted({*answers.folds} & {*other.folds})
        if len(folds) < 2:
            raise ConfigError(
                f"{file}: folds {', '.join(sorted({*other.folds}))}, of which {len(folds)} are "
                f"among {', '.join(sorted({*answers.folds}))}: expected two or more in common"
            )
        mine, theirs = of_folds(answers, folds), of_folds(other, folds)
        found["minus"][name] = {
            n: difference(mine, theirs, m, how) for n, m in group_masks(mine, named).items()
        }
    return found
