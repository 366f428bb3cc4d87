"""scores.json of a cross-validation, from the files in its folder alone."""

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
    """What `score_folds` gives of OUT/evaluation/predictions.csv, and what sources add to it.

    groups: by columns of the table. others: predictions.csv of other methods. sources: names of
    those that were cross-validated, none for one alone; left_out: of those in OUT/left_out. With
    any of them `scores` has a group for each ('source: NAME', 'left out: NAME'), and `sources` is
    `by_source`. Raises ConfigError and DatasetError as these do.
    """
    answers = read_answers(out / "evaluation" / "predictions.csv")
    source_of = {k: source_of_key(k) for k in answers.keys if source_of_key(k) in sources}
    inside: Groups = {"source": source_of} if len(sources) > 1 else {}
    scores = score_folds(answers, {**inside, **groups}, others, resampling)
    for name, result in score_left_out(out, left_out, resampling).items():
        scores["scores"][f"left out: {name}"] = result
    if len(sources) > 1 or left_out:
        scores["sources"] = by_source(out, source_of, left_out, resampling)
    return scores
