"""Evaluate sources that a cross-validation leaves out, with the bundle of all its folds.

These scores estimate the performance on images of a new hospital. They are listed in the same
table as the out-of-fold scores of the sources that the bundle was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ulna.datasets import index_data
from ulna.datasets.labelled import labelled
from ulna.errors import ConfigError, DatasetError
from ulna.evaluation.collect import collect_rows
from ulna.evaluation.out_of_fold import FoldAnswers, score
from ulna.evaluation.pipeline import EvaluationSettings, Report, note_on_refusals, write_evaluation
from ulna.evaluation.rows import StudyRow, scored_rows
from ulna.evaluation.scores import Json, Resampling, study_sample
from ulna.evaluation.source_scores import measure_source
from ulna.evaluation.table_reading import read_predictions
from ulna.types import BodyPart, Study

if TYPE_CHECKING:
    from ulna.runtime import Predictor

Progress = Callable[[int, int], None]
IN_SOURCE, LEFT_OUT = "in source", "left out"


def source_names(studies: Sequence[Study]) -> tuple[str, ...]:
    """Return the sources of the studies in alphabetical order, empty for a single data set."""
    return tuple(sorted({s.source for s in studies} - {""}))


def studies_left_out(
    data: str, names: Sequence[str], parts: Collection[BodyPart]
) -> dict[str, list[Study]]:
    """Return the labelled studies of these body parts from the sources `names` of a table.

    Studies that a source itself holds out are included, since the whole source is left out. Raises
    ConfigError for the name of an unknown source, DatasetError for a source without a study that
    can be scored.
    """
    if not names:
        return {}
    studies = index_data(data)
    known = source_names(studies)
    left = {}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{data}: no source {name!r} to leave out: expected "
                f"{'one of ' + ', '.join(known) if known else 'a table of sources as DATA'} "
                "(docs/sources.md)"
            )
        own = [s for s in studies if s.source == name]
        left[name] = labelled(own, f"source {name}", parts, part_needed=True)
        if not left[name]:
            raise DatasetError(
                f"{data}: source {name}: none of {len(own)} studies has a label with the meaning "
                f"of the other sources' labels and one of the body parts {', '.join(parts)}"
            )
    return left


def left_out_folder(out: Path, name: str) -> Path:
    """Return the folder of the evaluation of the left out source `name` in `out`."""
    return out / "left_out" / name


def evaluate_left_out(
    predictor: Predictor,
    sources: Mapping[str, Sequence[Study]],
    out: Path,
    report: Report,
    progress: Progress | None = None,
) -> None:
    """Evaluate each source with a bundle that was not trained on it.

    Writes the three files of `ulna evaluate` into `left_out_folder(out, name)`. The predictor
    decides at its own operating point. report writes report.html. progress(done, total) counts
    studies. Raises the errors of `write_evaluation`.
    """
    point = predictor.manifest.operating_point
    total, before = sum(map(len, sources.values())), 0
    for name, studies in sources.items():

        def count(done: int, _: int, start: int = before) -> None:
            if progress is not None:
                progress(start + done, total)

        rows, notes = collect_rows(predictor, studies, point, count)
        rows = [replace(r, split=name) for r in rows]
        notes += note_on_refusals(rows)
        folder = left_out_folder(out, name)
        folder.mkdir(parents=True, exist_ok=True)
        settings = EvaluationSettings(point, engine=predictor.engine)
        write_evaluation(predictor.bundle, rows, folder, settings, notes, report)
        before += len(studies)


def score_left_out(out: Path, names: Sequence[str], resampling: Resampling) -> dict[str, Json]:
    """Return the measures of `out_of_fold.score` by source, for the bundle's own decisions.

    They are computed from the files of `evaluate_left_out`. Raises DatasetError where these are
    missing or damaged.
    """
    scores = {}
    for name in names:
        rows = scored_rows(read_predictions(left_out_folder(out, name) / "predictions.csv"))
        scores[name] = score(_as_answers(rows), np.ones(len(rows), np.bool_), resampling)
    return scores


def by_source(
    out: Path, source_of: Mapping[str, str], left_out: Sequence[str], resampling: Resampling
) -> dict[str, Json]:
    """Return the scores at the operating point of each source, cross-validated or left out.

    source_of is the source of each cross-validated study by its key. The result is `{source:
    {where, n_studies, n_abnormal, sensitivity, specificity, refused, body_part_accuracy}}`. where
    is 'in source' (out of fold) or 'left out'. Decisions are at the operating point that was fitted
    without the study's fold or without the source. refused is the share of images that `ulna
    predict` would refuse, body_part_accuracy the share whose body part is predicted correctly. All
    have intervals over patients.
    """
    rows = read_predictions(out / "evaluation" / "predictions.csv")
    scores = {}
    for name in sorted({*source_of.values()}):
        own = [r for r in rows if source_of.get(r.key) == name]
        scores[name] = {"where": IN_SOURCE} | measure_source(own, resampling)
    for name in left_out:
        own = read_predictions(left_out_folder(out, name) / "predictions.csv")
        scores[name] = {"where": LEFT_OUT} | measure_source(own, resampling)
    return scores


def _as_answers(rows: Sequence[StudyRow]) -> FoldAnswers:
    """Return the scored rows of one source as answers of a single fold."""
    sample = study_sample(rows)
    assert sample.decision is not None
    placed = [[i.location.pointing for i in r.images if i.location is not None] for r in rows]
    return FoldAnswers(
        keys=tuple(r.key for r in rows),
        patients=tuple(r.patient_id for r in rows),
        parts=tuple(str(r.part) for r in rows),
        folds=tuple(r.split for r in rows),
        abnormal=sample.abnormal,
        probability=sample.probability,
        decision=sample.decision,
        hits=np.array([float(sum(p)) for p in placed]),
        placed=np.array([float(len(p)) for p in placed]),
    )
