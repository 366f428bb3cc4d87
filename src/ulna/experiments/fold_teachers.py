"""The teachers of a cross-validation, and the training of a student on each fold."""

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
from ulna.datasets.labelled_data import recorded_name
from ulna.datasets.unlabelled import without_labels
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
    """The teachers' cross-validation in `folder`, and the one of their students.

    extra: images whose only target is the teacher's answer.
    """

    folder: Path
    students: CrossvalFolder
    engine: EngineSettings
    extra: tuple[Study, ...]
    devices: int = 1

    def bundle(self, k: int) -> Path:
        """Return the bundle of the teacher of fold k."""
        return self.folder / f"fold{k}" / "bundle"

    def teacher(self, k: int) -> Predictor:
        """Return the teacher of fold k, with its fusion fitted on other folds by `fit_fusions`."""
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
    """Open the students' cross-validation `out` on the data and folds of their teachers.

    Raises ConfigError where the teachers' folds are not all trained, or their data have changed.
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
            f"{theirs.data} has changed since {teachers} was trained on it: restore the data"
        )
    data = [*index_data(theirs.data), *folder.extra]
    extra = without_labels([index_data(path) for path in also], data)
    return FoldTeachers(teachers, folder, engine, extra)


def _one(fold: int, folds: int) -> tuple[int]:
    if not 0 <= fold < folds:
        raise ConfigError(f"fold {fold} of {folds}: expected one of 0 to {folds - 1}")
    return (fold,)


def fit_fusions(folds: FoldTeachers, progress: Progress) -> None:
    """Fit the fusion of each fold's teacher on the other folds, unless that is done."""
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
        progress("fusion of the teachers", done, total)
    assert first is not None
    for file, fusion in zip(files, fusions_without(outputs, first), strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(fusion, file)


def teach_fold(folds: FoldTeachers, k: int, progress: Progress) -> None:
    """Train and export the student of fold k, unless that is done."""
    students = folds.students
    run = students.fold(k)
    if (run / "bundle" / "manifest.json").is_file():
        return
    data = Path(students.settings.data)
    everything = (*students.labelled, *students.extra, *folds.extra)
    source = DataSource(data_kind(data), recorded_name(data), students.cache, everything)
    studies = students.training(k)
    begun = begin_run(students.fold_recipe(k), studies, run, source)
    teacher = folds.teacher(k)
    record(teacher, folds.extra, run)
    lesson = DistillationInput(studies, source, beside=folds.extra, devices=folds.devices)
    teach(teacher, begun, lesson, run, progress)
    export_bundle(run, run / "bundle")
