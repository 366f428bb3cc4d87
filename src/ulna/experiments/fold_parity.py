"""The acceptance test of students on folds against their teachers, and its use as a proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ulna.bundle import StudentParity, read_bundle
from ulna.compress.student import PairedAnswers, SideBySide, parity_of, side_by_side
from ulna.config.codec import read_json
from ulna.config.recipe import Recipe
from ulna.distil import Proof
from ulna.errors import ConfigError
from ulna.evaluation.out_of_fold import FoldAnswers, of_folds, read_answers
from ulna.experiments.ensembles import fingerprint_of, read_settings
from ulna.experiments.fold_teachers import FoldTeachers
from ulna.experiments.progress import Progress
from ulna.runtime import Predictor
from ulna.types import Study

PARITY = "parity.json"
"""File in a folder of students on folds: the figures of the acceptance test, out of fold."""
_COMPARED_PER_FOLD = 8
"""Studies of each fold on which maps are compared and predictions timed."""


def fold_parity(folds: FoldTeachers, predictions: Path, progress: Progress) -> StudentParity:
    """Compare students and teachers out of fold: AUROC and decisions on all studies, maps on some.

    predictions: the teachers' predictions.csv. Decisions use the threshold for a specificity of
    0.90 on the other folds. Speed is measured on the studies whose maps are compared.
    """
    students = folds.students
    taught = read_answers(students.evaluation / "predictions.csv")
    original = read_answers(predictions)
    common = sorted({*taught.folds} & {*original.folds})
    teacher, student = of_folds(original, common), of_folds(taught, common)
    if teacher.keys != student.keys:
        raise ConfigError(
            f"{predictions}: holds other studies than the students': run its `ulna crossval` again"
        )
    paired = PairedAnswers(
        list(student.patients),
        student.abnormal,
        (teacher.probability, student.probability),
        (teacher.decision, student.decision),
    )
    compared = SideBySide([], [], [])
    for done, k in enumerate(students.requested, start=1):
        fold = side_by_side(
            Predictor.load(folds.bundle(k)).with_fusion(folds.teacher(k).manifest.fusion),
            Predictor.load(students.fold(k) / "bundle"),
            _spread(students.folds[k]),
        )
        compared = SideBySide(
            compared.teacher + fold.teacher,
            compared.student + fold.student,
            compared.seconds + fold.seconds,
        )
        progress("student and teacher", done, len(students.requested))
    last = Predictor.load(students.fold(students.requested[-1]) / "bundle")
    parity = parity_of(paired, compared, last, f"out of {len(common)} folds")
    return replace(parity, pointing=_pointing(teacher, student))


def _spread(studies: Sequence[Study]) -> list[Study]:
    """Return some studies, evenly spread: they are sorted by key, and thereby by body part."""
    chosen = np.unique(
        np.linspace(0, len(studies) - 1, _COMPARED_PER_FOLD).round().astype(np.int64)
    )
    return [studies[i] for i in chosen]


def _pointing(teacher: FoldAnswers, student: FoldAnswers) -> tuple[float, float] | None:
    if not (teacher.placed.sum() and student.placed.sum()):
        return None
    return tuple(float(np.sum(a.hits) / np.sum(a.placed)) for a in (teacher, student))  # type: ignore[return-value]


def read_proof(folder: Path, recipe: Recipe) -> Proof:
    """Read the acceptance test of the recipe's students on folds in `folder`.

    Raises ConfigError where they have another recipe, or are not scored yet.
    """
    tested = read_settings(folder).recipe
    expected = replace(
        recipe,
        body_parts=tested.body_parts,
        categories=tested.categories,
        operating_point=tested.operating_point,
        abnormal_means=tested.abnormal_means,
        input_spec=replace(recipe.input_spec, trim_borders=tested.input_spec.trim_borders),
        precision=tested.precision,
        fractions=tested.fractions,
    )
    if expected != tested:
        differ = [k for k, v in vars(expected).items() if v != getattr(tested, k)]
        raise ConfigError(
            f"{folder}: students of another recipe (they differ in {', '.join(differ)}): expected "
            "the same"
        )
    if not (folder / PARITY).is_file():
        raise ConfigError(f"{folder}: no {PARITY}: finish its `ulna distil --folds` first")
    parity = read_json(StudentParity, folder / PARITY)
    fusion = read_bundle(folder / "bundle").manifest.fusion
    parity = replace(parity, images=f"{parity.images}, {folder.resolve().name}")
    return Proof(parity, fusion, fingerprint_of(folder).sha256)
