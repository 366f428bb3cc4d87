"""Compute scores.json of a cross-validation from the files in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ulna.datasets.overlap import source_of_key
from ulna.evaluation.fold_scores import score_folds
from ulna.evaluation.groups import Groups
from ulna.evaluation.left_out import by_source, score_left_out
from ulna.evaluation.out_of_fold import read_answers
from ulna.evaluation.scores import Json, Resampling


def crossval_scores(
    out: Path,
    groups: Groups,
    others: Mapping[str, Path],
    sources: Sequence[str],
    left_out: Sequence[str],
    resampling: Resampling,
) -> Json:
    """Return the scores of `score_folds` for OUT/evaluation/predictions.csv, and those by source.

    groups are those by columns of the table and others the predictions.csv of other methods.
    sources are the names of the cross-validated sources, empty for a single data set, and left_out
    of those in OUT/left_out. With several sources or any left out, `scores` has a group for each
    ('source: NAME', 'left out: NAME') and `sources` is the result of `by_source`. Raises
    ConfigError and DatasetError as these functions do.
    """
    answers = read_answers(out / "evaluation" / "predictions.csv")
    source_of = {k: source_of_key(k) for k in answers.keys if source_of_key(k) in sources}
    inside: Groups = {"source": source_of} if len(sources) > 1 else {}
    scores = score_folds(answers, {**inside, **groups}, others, resampling)
    for name, own in score_left_out(out, left_out, resampling).items():
        scores["scores"][f"left out: {name}"] = own
    if len(sources) > 1 or left_out:
        scores["sources"] = by_source(out, source_of, left_out, resampling)
    return scores
