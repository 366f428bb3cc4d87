"""scores.json of a cross-validation: every group of studies, and differences from others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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

    others: predictions.csv of other methods on the same folds, by name.
    """
    parts = {k: BodyPart(p) for k, p in zip(answers.keys, answers.parts, strict=True)}
    masks = group_masks(answers, {**region_groups(parts), **groups})
    folds = sorted(set(answers.folds))
    found: Json = {"scores": {n: score(answers, m, how) for n, m in masks.items()}, "minus": {}}
    for name, file in others.items():
        other = of_folds(read_answers(file), folds)
        found["minus"][name] = {n: difference(answers, other, m, how) for n, m in masks.items()}
    return found
