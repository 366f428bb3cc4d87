"""The teachers of a cross-validation, each of a student on the same fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ulna.bundle import FusionParameters
from ulna.calibration.cross_fit import fusions_without, logits_of_fold
from ulna.config.codec import read_json, write_json
from ulna.config.engine import EngineSettings
from ulna.config.recipe import Recipe
from ulna.datasets import data_kind, index_data
from ulna.datasets.bare import without_labels
from ulna.datasets.labelled_data import recorded_name
from ulna.distil import DistillationInput, record, student_recipe, teach
from ulna.errors import ConfigError
from ulna.experiments.crossval_steps import CrossvalFolder, check_starts, record_data
from ulna.experiments.ensembles import fingerprint_of, read_settings
from ulna.experiments.progress import Progress
from ulna.export import export_bundle
from ulna.runtime import Predictor
from ulna.training import DataSource
from ulna.training.run import begin_run
from ulna.types import Study

_FUSION = "teacher_fusion.json"


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
        folder = replace(folder, requested=_one(only[0], theirs.folds))
    check_starts(folder, folder.requested)
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


def fit_fusions(folds: FoldTeachers, report: Progress) -> None:
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


def teach_fold(folds: FoldTeachers, k: int, report: Progress) -> None:
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
    lesson = DistillationInput(studies, source, beside=folds.beside, devices=folds.devices)
    teach(teacher, begun, lesson, run, report)
    export_bundle(run, run / "bundle")
