"""`ulna stress`: test where a bundle breaks and write stress.json, stress.csv and stress.html."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ulna.config.bounds import Count, Seed, check_fields
from ulna.config.engine import PORTABLE, EngineSettings
from ulna.errors import UlnaWarning
from ulna.evaluation.collect import check_splits, collect_rows
from ulna.evaluation.meaning import warn_of_meaning
from ulna.evaluation.pipeline import (
    EvaluationSettings,
    check_scorable,
    choose_operating_point,
    provenance,
    remarks_on,
    write_each,
    write_metrics,
)
from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Json, Resampling, image_sample, study_sample
from ulna.evaluation.unanswered import no_answer, reasons_json
from ulna.robustness.stress.answers import NotStressed, StressAnswers, answer_stressed
from ulna.robustness.stress.breaks import where_it_breaks
from ulna.robustness.stress.paired import score_clean, score_corruptions
from ulna.robustness.stress.sample import stratified_sample
from ulna.robustness.stress.subgroups import image_values, score_subgroups, study_values
from ulna.robustness.stress.table import write_table
from ulna.robustness.stress.traits import Traits, pixel_size
from ulna.robustness.stress.views import LeftOut, leave_one_view_out, score_left_out
from ulna.types import Study

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle
    from ulna.runtime import Predictor

Progress = Callable[[str, int, int], None]
Columns = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class StressPlan:
    """Settings of a stress test.

    studies: size of the sample that is corrupted. seed: of the sample and of the corruptions'
    draws. traits: properties of each image by which studies are grouped. columns: further groups,
    by study key. operating_point: None for the bundle's own. resampling: bootstrap of the
    intervals. engine: that answers.
    """

    studies: Count = 90
    seed: Seed = 0
    traits: Traits = field(default_factory=dict)
    columns: Columns = field(default_factory=dict)
    operating_point: str | None = None
    resampling: Resampling = field(default_factory=Resampling)
    engine: EngineSettings = PORTABLE

    def __post_init__(self) -> None:
        check_fields(self, "stress")


@dataclass(frozen=True)
class Stressed:
    """All answers of a stress test, before they are scored.

    studies, rows: the scored studies of the whole data, unchanged, in order. left_out: answers
    without one view. answers: of the corrupted sample. faults: rows of studies without an answer.
    """

    studies: tuple[Study, ...]
    rows: tuple[StudyRow, ...]
    left_out: tuple[LeftOut, ...]
    answers: StressAnswers
    faults: tuple[StudyRow, ...] = ()


Page = Callable[["ModelBundle", Stressed, Json, Path], None]
"""Writes stress.html and stress.png from (bundle, answers, result of `stress`, folder)."""


def stress(
    bundle_path: Path | str,
    studies: Sequence[Study],
    out: Path | str,
    plan: StressPlan,
    page: Page,
    progress: Progress | None = None,
) -> Json:
    """Stress the bundle on labelled `studies`, write the results to `out` and return them.

    Writes stress.json and stress.csv, and by `page` stress.png and stress.html. page: see
    `report.writers`. progress(stage, done, total) counts studies. Raises DatasetError where no
    study can be scored, ConfigError for an unknown operating point, BundleError.
    """
    from ulna.runtime import Predictor

    predictor = Predictor.load(Path(bundle_path), plan.engine).without_refusal()
    point = choose_operating_point(predictor.bundle, plan.operating_point)
    stressed, remarks = _answers(predictor, studies, point, plan, progress or _no_progress)
    result = summarise_stress(stressed, plan, predictor.manifest.input_spec.size)
    result |= provenance(
        predictor.bundle,
        stressed.rows,
        EvaluationSettings(point, plan.resampling, predictor.engine),
    )
    result |= {"n_given": len(studies), "no_answer": reasons_json(no_answer(stressed.faults))}
    result["warnings"] = [*remarks, *_remarks(predictor, stressed)]
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    write_each(
        lambda: write_metrics(result, folder / "stress.json"),
        lambda: write_table(result, folder / "stress.csv"),
        lambda: page(predictor.bundle, stressed, result, folder),
    )
    return result


def _answers(
    predictor: Predictor, studies: Sequence[Study], point: str, plan: StressPlan, report: Progress
) -> tuple[Stressed, list[str]]:
    """Return every answer that is needed, and the distinct warnings."""
    rows, remarks = collect_rows(predictor, studies, point, lambda d, n: report("answer", d, n))
    remarks += warn_of_meaning(studies, predictor.manifest, "stress")
    check_scorable(rows, predictor.bundle)
    scored = [(s, r) for s, r in zip(studies, rows, strict=True) if r.scored]
    kept = tuple(s for s, _ in scored)
    answered = tuple(r for _, r in scored)
    with warnings.catch_warnings():
        # The same images are read again, and their warnings have been collected.
        warnings.simplefilter("ignore", UlnaWarning)
        warnings.simplefilter("always", NotStressed)
        left_out = leave_one_view_out(
            predictor, kept, answered, point, lambda d, n: report("leave one view out", d, n)
        )
        sample = stratified_sample(kept, plan.studies, plan.seed)
        answers = answer_stressed(
            predictor, sample, point, plan.seed, lambda d, n: report("corrupt", d, n)
        )
    faults = tuple(r for r in rows if r.fault)
    return Stressed(kept, answered, tuple(left_out), answers, faults), remarks


def summarise_stress(stressed: Stressed, plan: StressPlan, input_size: int) -> Json:
    """Compute all scores; docs/stress.md describes every key. input_size: of the input, px."""
    rows, resampling, sample = stressed.rows, plan.resampling, stressed.answers.clean
    corruptions = score_corruptions(stressed.answers, resampling)
    by_study = study_values(stressed.studies, rows, plan.traits, plan.columns)
    by_image = image_values(rows, plan.traits)
    subgroups = {
        "study": score_subgroups(study_sample(rows), by_study, resampling),
        "image": score_subgroups(image_sample(rows), by_image, resampling),
    }
    return {
        "where_it_breaks": where_it_breaks(corruptions, subgroups),
        "sample": {
            "n_studies": len(sample.patients),
            "n_abnormal": int(sample.abnormal.sum()),
            "n_patients": len(set(sample.patients)),
            "n_images": stressed.answers.n_images,
            "of_studies": len(rows),
            "seed": plan.seed,
            "input_pixel_mm": _input_pixel(rows, plan.traits, input_size),
        },
        "clean": score_clean(stressed.answers, resampling),
        "corruptions": corruptions,
        "leave_one_view_out": score_left_out(stressed.left_out, rows, resampling),
        "subgroups": subgroups,
        "not_grouped": _not_grouped(by_study),
    }


def _input_pixel(rows: Sequence[StudyRow], traits: Traits, input_size: int) -> float | None:
    """Return the median size in millimetres of a pixel of the model's input, None if unknown."""
    sizes = [
        size * max(image.shape) / input_size
        for row in rows
        for image in row.images
        if (size := pixel_size(traits.get(image.ref.path, {}))) is not None
    ]
    return float(np.median(sizes)) if sizes else None


def _not_grouped(values: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the reasons why groupings have no scores: not known, or all studies in one group."""
    groups = {name: sorted(set(v) - {""}) for name, v in values.items()}
    return {n: f"all {g[0]}" if g else "not known" for n, g in groups.items() if len(g) < 2}


def _remarks(predictor: Predictor, stressed: Stressed) -> list[str]:
    remarks = [*check_splits(stressed.rows), *remarks_on(predictor.bundle)]
    clean = stressed.answers.clean
    if clean.abnormal.all() or not clean.abnormal.any():
        remarks.append(f"the {len(clean.patients)} sampled studies are of one class: no AUROC")
    return remarks


def _no_progress(stage: str, done: int, total: int) -> None:
    """Ignore progress."""
