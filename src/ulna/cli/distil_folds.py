"""`ulna distil --folds`: a cross-validation whose folds are students of another one's folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from ulna.bundle import FusionParameters, StudentParity, read_bundle
from ulna.bundle.distilled import parity_lines
from ulna.calibration.cross_fit import fusions_without, logits_of_fold
from ulna.cli.crossval import finish
from ulna.cli.crossval_steps import CrossvalFolder, check_starts, record_data
from ulna.cli.ensemble_steps import fingerprint_of, read_settings
from ulna.cli.extras import require
from ulna.cli.progress import Report, progress
from ulna.compress.student import PairedAnswers, SideBySide, parity_of, side_by_side
from ulna.config.codec import read_json, write_json
from ulna.config.engine import EngineSettings
from ulna.config.recipe import Recipe
from ulna.datasets import data_kind, index_data
from ulna.datasets.bare import without_labels
from ulna.datasets.labelled_data import recorded_name
from ulna.distil import Lesson, Proof, record, student_recipe, teach
from ulna.errors import ConfigError
from ulna.evaluation.out_of_fold import FoldAnswers, of_folds, predictions_of, read_answers
from ulna.export import export_bundle
from ulna.runtime import Predictor
from ulna.training import DataSource
from ulna.training.run import begin_run
from ulna.types import Study

PARITY = "parity.json"
"""In a folder of students on folds: the gate's figures, out of fold."""
_FUSION = "teacher_fusion.json"
# Studies of each fold on which maps are compared and answers timed.
_TIMED = 8


@dataclass(frozen=True)
class FoldTeachers:
    """teachers: the cross-validation in `folder`. students: the one that is made of it."""

    folder: Path
    students: CrossvalFolder
    engine: EngineSettings
    beside: tuple[Study, ...]
    devices: int = 1

    def bundle(self, k: int) -> Path:
        """Of the teacher of fold k."""
        return self.folder / f"fold{k}" / "bundle"

    def teacher(self, k: int) -> Predictor:
        """Of fold k, fused as fitted on the other folds (`fit_fusions` first)."""
        fusion = read_json(FusionParameters, self.students.fold(k) / _FUSION)
        return Predictor.load(self.bundle(k), self.engine).with_fusion(fusion)


def distil_folds(
    teachers: Path,
    recipe: Recipe,
    out: Path,
    asked: tuple[Sequence[Path], Sequence[int], EngineSettings, int],
    as_json: bool,
) -> None:
    """Teach, answer, score and compare; one fold alone is only taught.

    asked: films without labels, folds (none for all), engine of the teachers, devices.
    """
    require("train", "report")
    also, only, engine, devices = asked
    folds = open_folds(teachers, recipe, out, only, also, engine)
    folds = replace(folds, devices=devices)
    theirs = predictions_of(teachers)
    with progress() as report:
        fit_fusions(folds, report)
        for done, k in enumerate(folds.students.asked, start=1):
            teach_fold(folds, k, report)
            report("folds", done, len(folds.students.asked))
    if len(folds.students.asked) < 2:
        click.echo(f"fold {folds.students.asked[0]} is taught; with two or more they are scored")
        return
    data = Path(folds.students.settings.data)
    finish(folds.students, data, ((), (teachers,)), 1, as_json)
    with progress() as report:
        parity = fold_parity(folds, theirs, report)
    write_json(parity, out / PARITY)
    if as_json:
        return
    click.echo("\n".join(parity_lines(parity)))
    said = "; ".join(parity.refusals)
    click.echo(f"would be refused: {said}" if said else "the gate would accept such a student")


def open_folds(
    teachers: Path,
    recipe: Recipe,
    out: Path,
    only: Sequence[int],
    also: Sequence[Path],
    engine: EngineSettings,
) -> FoldTeachers:
    """The students' cross-validation `out` on the data and folds of the teachers' one.

    Raises ConfigError where its folds are not all trained, or its data have changed since.
    """
    theirs = read_settings(teachers)
    missing = [
        k
        for k in range(theirs.folds)
        if not (teachers / f"fold{k}" / "bundle" / "manifest.json").is_file()
    ]
    if missing:
        raise ConfigError(
            f"{teachers}: fold {missing[0]} is not trained: finish its `ulna crossval` first (each "
            "teacher's fusion is fitted on the other folds)"
        )
    if out.resolve() == teachers.resolve():
        raise ConfigError(f"{out} is the teachers' own folder: give another --out")
    first = Predictor.load(teachers / "fold0" / "bundle")
    settings = replace(theirs, recipe=student_recipe(recipe, first))
    several = only if len(set(only)) > 1 else ()
    folder = CrossvalFolder.open(out, settings, None, several)
    if only and not several:
        folder = replace(folder, asked=_one(only[0], theirs.folds))
    check_starts(folder, folder.asked)
    if record_data(folder).sha256 != fingerprint_of(teachers).sha256:
        raise ConfigError(
            f"{theirs.data} is not what {teachers} learned from any more: give it as it was"
        )
    data = [*index_data(theirs.data), *folder.beside]
    beside = without_labels([index_data(path) for path in also], data)
    return FoldTeachers(teachers, folder, engine, beside)


def _one(fold: int, folds: int) -> tuple[int]:
    if not 0 <= fold < folds:
        raise ConfigError(f"fold {fold} of {folds}: expected one of 0 to {folds - 1}")
    return (fold,)


def fit_fusions(folds: FoldTeachers, report: Report) -> None:
    """For each fold the fusion of its teacher, fitted on the answers to the other folds; once."""
    students = folds.students
    numbers = range(students.settings.folds)
    files = [students.fold(k) / _FUSION for k in numbers]
    if all(file.is_file() for file in files):
        return
    outputs, first = [], None
    total, done = len(students.labelled), 0
    for k in numbers:
        predictor = Predictor.load(folds.bundle(k), folds.engine)
        first = first or predictor.manifest
        outputs.append(logits_of_fold(predictor, students.folds[k]))
        done += len(students.folds[k])
        report("fusion of the teachers", done, total)
    assert first is not None
    for file, fusion in zip(files, fusions_without(outputs, first), strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(fusion, file)


def teach_fold(folds: FoldTeachers, k: int, report: Report) -> None:
    """Teach and export the student of fold k, if that is not done."""
    students = folds.students
    run = students.fold(k)
    if (run / "bundle" / "manifest.json").is_file():
        return
    data = Path(students.settings.data)
    everything = (*students.labelled, *students.beside, *folds.beside)
    source = DataSource(data_kind(data), recorded_name(data), students.cache, everything)
    studies = students.training(k)
    begun = begin_run(students.fold_recipe(k), studies, run, source)
    teacher = folds.teacher(k)
    record(teacher, folds.beside, run)
    lesson = Lesson(studies, source, beside=folds.beside, devices=folds.devices)
    teach(teacher, begun, lesson, run, report)
    export_bundle(run, run / "bundle")


def fold_parity(folds: FoldTeachers, theirs: Path, report: Report) -> StudentParity:
    """The gate's figures, out of fold: AUROC and decisions on all studies, maps and speed on some.

    theirs: the teachers' predictions.csv. Decisions are at a specificity of 0.90 on the other
    folds.
    """
    students = folds.students
    own = read_answers(students.evaluation / "predictions.csv")
    other = read_answers(theirs)
    common = sorted({*own.folds} & {*other.folds})
    teacher, student = of_folds(other, common), of_folds(own, common)
    if teacher.keys != student.keys:
        raise ConfigError(
            f"{theirs}: answers other studies than the students: give its `ulna crossval` again"
        )
    paired = PairedAnswers(
        list(student.patients),
        student.abnormal,
        (teacher.probability, student.probability),
        (teacher.decision, student.decision),
    )
    found = SideBySide([], [], [])
    for done, k in enumerate(students.asked, start=1):
        beside = side_by_side(
            Predictor.load(folds.bundle(k)).with_fusion(folds.teacher(k).manifest.fusion),
            Predictor.load(students.fold(k) / "bundle"),
            _spread(students.folds[k]),
        )
        found = SideBySide(
            found.teacher + beside.teacher,
            found.student + beside.student,
            found.seconds + beside.seconds,
        )
        report("student and teacher", done, len(students.asked))
    last = Predictor.load(students.fold(students.asked[-1]) / "bundle")
    parity = parity_of(paired, found, last, f"out of {len(common)} folds")
    return replace(parity, pointing=_pointing(teacher, student))


def _spread(studies: Sequence[Study]) -> list[Study]:
    """Some, evenly over all: studies are in the order of their keys, thus of body parts."""
    chosen = np.unique(np.linspace(0, len(studies) - 1, _TIMED).round().astype(np.int64))
    return [studies[i] for i in chosen]


def _pointing(teacher: FoldAnswers, student: FoldAnswers) -> tuple[float, float] | None:
    if not (teacher.placed.sum() and student.placed.sum()):
        return None
    return tuple(float(np.sum(a.hits) / np.sum(a.placed)) for a in (teacher, student))  # type: ignore[return-value]


def read_proof(folder: Path, recipe: Recipe) -> Proof:
    """What the students on folds in `folder` have shown of `recipe`.

    Raises ConfigError where they are of another recipe, or not yet scored.
    """
    theirs = read_settings(folder).recipe
    own = replace(
        recipe,
        body_parts=theirs.body_parts,
        categories=theirs.categories,
        operating_point=theirs.operating_point,
        abnormal_means=theirs.abnormal_means,
        input_spec=replace(recipe.input_spec, trim_borders=theirs.input_spec.trim_borders),
        precision=theirs.precision,
        fractions=theirs.fractions,
    )
    if own != theirs:
        differ = [k for k, v in vars(own).items() if v != getattr(theirs, k)]
        raise ConfigError(
            f"{folder}: students of another recipe (they differ in {', '.join(differ)}): expected "
            "the same"
        )
    if not (folder / PARITY).is_file():
        raise ConfigError(f"{folder}: no {PARITY}: finish its `ulna distil --folds` first")
    parity = read_json(StudentParity, folder / PARITY)
    fusion = read_bundle(folder / "bundle").manifest.fusion
    told = replace(parity, films=f"{parity.films}, {folder.resolve().name}")
    return Proof(told, fusion, fingerprint_of(folder).sha256)
