"""The folder of a cross-validation, and the training of its folds."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path

from ulna.bundle import DataFingerprint, read_bundle
from ulna.config.codec import read_json, write_json
from ulna.config.recipe import Recipe
from ulna.datasets import data_kind, index_data
from ulna.datasets.folds import assign_folds
from ulna.datasets.labelled import labelled, teaches_unscored
from ulna.datasets.labelled_data import recorded_name
from ulna.datasets.overlap import Overlap
from ulna.errors import ConfigError, DatasetError, DatasetWarning
from ulna.evaluation.left_out import left_out_folder, studies_left_out
from ulna.experiments.crossval_settings import CrossvalSettings
from ulna.experiments.fold_starts import starts_from_folds, with_begun_starts, with_fold_starts
from ulna.experiments.held_out import TEST_SIDES
from ulna.experiments.progress import Progress
from ulna.experiments.worker_processes import raise_failures, run_in_processes
from ulna.json_text import parse_json
from ulna.machine import usable_cores
from ulna.training.quiet import quiet_fabric
from ulna.types import Study

DATA = "data.json"
"""File in the folder of a cross-validation: the fingerprint of its data."""


@dataclass(frozen=True)
class CrossvalFolder:
    """The folder of a cross-validation, its settings and its studies.

    cache: folder of decoded images, which other runs may share. requested: the folds that are
    trained and predicted. outliers: tables of images of other regions, for the bundle to refuse.
    """

    out: Path
    settings: CrossvalSettings
    cache: Path
    requested: tuple[int, ...]
    outliers: tuple[tuple[Study, ...], ...] = ()

    @classmethod
    def open(
        cls, out: Path, settings: CrossvalSettings, cache: Path | None, only: Sequence[int] = ()
    ) -> CrossvalFolder:
        """Open a new folder, or the one of the same cross-validation; else raise ConfigError.

        only: some of the folds, at least two; none for all.
        """
        requested = tuple(sorted(set(only))) or tuple(range(settings.folds))
        if len(requested) < 2 or requested[0] < 0 or requested[-1] >= settings.folds:
            raise ConfigError(
                f"folds {', '.join(map(str, requested))} of {settings.folds}: expected at least "
                f"two of 0 to {settings.folds - 1}, since each is calibrated on the others"
            )
        saved = out / "crossval.json"
        settings = settings.with_precision(saved)
        if saved.is_file() and _begun(out):
            settings.check_resumable(read_json(CrossvalSettings, saved), out)
        elif not saved.is_file() and out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(f"{out} exists and is no cross-validation: give another --out")
        out.mkdir(parents=True, exist_ok=True)
        write_json(settings, saved)
        return cls(out, settings, cache or out / "cache", requested)

    def predicted(self) -> bool:
        """Return whether exactly the requested folds are predicted and evaluated already.

        Predictions of an earlier version, whose table or metrics hold less, do not count.
        """
        from ulna.evaluation.table_reading import read_predictions

        try:
            metrics = parse_json((self.evaluation / "metrics.json").read_text("utf-8"))
            rows = read_predictions(self.evaluation / "predictions.csv")
        except (FileNotFoundError, ValueError, DatasetError):
            return False
        requested = {f"fold{k}" for k in self.requested}
        evaluated = all(
            (left_out_folder(self.out, n) / "metrics.json").is_file() for n in self.left_out
        )
        done = "arithmetic" in metrics and {r.split for r in rows} == requested and evaluated
        return done and (not self.outliers or self._fitted_with_outliers())

    def with_outliers(self, outliers: Sequence[Path]) -> CrossvalFolder:
        """Return the folder with these tables or folders of images for its bundle to refuse."""
        return replace(self, outliers=tuple(tuple(index_data(t)) for t in outliers))

    def _fitted_with_outliers(self) -> bool:
        fitted = read_bundle(self.bundle).manifest.out_of_distribution
        return fitted is None or fitted.n_outliers.get("other region", 0) > 0

    @property
    def bundle(self) -> Path:
        """The bundle of all folds' experts."""
        return self.out / "bundle"

    @property
    def evaluation(self) -> Path:
        """The folder of out-of-fold predictions, metrics and the report."""
        return self.out / "evaluation"

    def fold(self, k: int) -> Path:
        """The run of fold k."""
        return self.out / f"fold{k}"

    @cached_property
    def inside(self) -> list[Study]:
        """The data without the sources left out and without what the data hold out themselves."""
        free = [s for s in index_data(self.settings.data) if s.split not in TEST_SIDES]
        return [s for s in free if s.source not in self.settings.leave_out]

    @cached_property
    def left_out(self) -> dict[str, list[Study]]:
        """The labelled studies of each source that is left out."""
        settings = self.settings
        return studies_left_out(settings.data, settings.leave_out, settings.recipe.body_parts)

    @cached_property
    def labelled(self) -> list[Study]:
        """The studies that are cross-validated: labelled, of known body parts, not held out."""
        parts, studies = self.settings.recipe.body_parts, self.inside
        scorable = [s for s in studies if not teaches_unscored(s)]
        if chosen := labelled(scorable, "cross-validation", parts, part_needed=True):
            return chosen
        raise DatasetError(
            f"{self.settings.data}: {len(studies)} studies, none of them labelled and of a body "
            f"part of the recipe: expected labelled studies of {', '.join(parts)}"
        )

    @cached_property
    def extra(self) -> list[Study]:
        """Further training data of every fold: studies that cannot be scored, and `also`."""
        unscored = [s for s in self.inside if teaches_unscored(s)]
        if not self.settings.also:
            return unscored
        free = [s for s in index_data(self.settings.also) if s.split not in TEST_SIDES]
        extra = labelled(free, f"{self.settings.also}", heads=True)
        shared = {s.key for s in extra} & {s.key for s in self.labelled}
        left_out = Overlap(self.left_out_studies)
        outside = [s.key for s in extra if left_out.images(s)]
        if known := [s.key for s in extra if left_out.patient(s)]:
            warnings.warn(
                f"{self.settings.also}: {len(known)} studies have the patient_id of a study in a "
                f"source that is left out (first: {known[0]}): if it is the same patient, the "
                "scores of that source are optimistic",
                DatasetWarning,
                stacklevel=2,
            )
        if not extra or shared or outside:
            raise DatasetError(
                f"{self.settings.also}: {len(extra)} labelled studies, {len(shared)} of them with "
                "the patient and study of one that is cross-validated, "
                f"{len(outside)} from a source that is left out: expected other studies, with "
                "ids of their own"
            )
        return [*unscored, *extra]

    def training(self, k: int) -> list[Study]:
        """The training studies of fold k: none with a patient or an image that it holds out."""
        held_out = Overlap(self.folds[k])
        every = (*self.labelled, *self.extra)
        return [s for s in every if not (held_out.patient(s) or held_out.images(s))]

    @cached_property
    def folds(self) -> list[list[Study]]:
        """The studies by fold."""
        return assign_folds(self.labelled, self.settings.folds, self.settings.fold_seed)

    def fold_recipe(self, k: int) -> Recipe:
        """The recipe for training without fold k; fusion is fitted across folds, not within."""
        recipe = self.settings.recipe
        tune = recipe.fractions["tune"] if recipe.patience else 0.0
        fractions = {"train": 1 - tune, "tune": tune, "calibration": 0.0}
        recipe = replace(recipe, fractions=fractions, seed=recipe.seed + k)
        recipe = with_begun_starts(recipe, k, self.fold(k))
        every = [*self.labelled, *self.extra]
        return with_fold_starts(recipe, k, self.folds[k], every, self.left_out_studies)

    @cached_property
    def left_out_studies(self) -> list[Study]:
        """All studies of the sources that are left out."""
        return [s for studies in self.left_out.values() for s in studies]


def _begun(out: Path) -> bool:
    """Return whether the folder holds more than the settings, which a refused call leaves too."""
    return (out / DATA).is_file() or any(out.glob("fold*"))


def train_folds(folder: CrossvalFolder, jobs: int, progress: Progress) -> None:
    """Train and export the folds that are not done, `jobs` at a time.

    With several jobs each fold has a process of its own: if one is killed, usually for lack of
    memory, the others continue. When they are done, raises UlnaError naming the folds that ran out
    of memory, or TrainingError naming those that failed otherwise.
    """
    from ulna.training.cache import build_cache

    n = len(folder.requested)
    todo = [
        k for k in folder.requested if not (folder.fold(k) / "bundle" / "manifest.json").is_file()
    ]
    if not todo:
        return
    check_starts(folder, todo)
    build_cache([*folder.labelled, *folder.extra], folder.settings.recipe, folder.cache, progress)
    progress("folds", n - len(todo), n)
    threads = max(1, usable_cores() // jobs)
    if jobs == 1:
        for done, k in enumerate(todo, start=n - len(todo) + 1):
            train_fold(folder, k, 0)
            progress("folds", done, n)
        return
    number = count(n - len(todo) + 1)
    failed = run_in_processes(
        partial(_train_in_process, folder, threads),
        todo,
        jobs,
        lambda k: progress("folds", next(number), n),
    )
    logs = {k: folder.fold(k) / "train.log" for k in sorted(failed)}
    raise_failures({f"fold {k} (more in {log})": failed[k] for k, log in logs.items()})


def check_starts(folder: CrossvalFolder, folds: Sequence[int]) -> None:
    """Raise for experts of these folds that could not be built or initialised when needed."""
    from ulna.models.check import check_experts
    from ulna.training.folder import begun_experts

    recipe = folder.settings.recipe
    begun = set.intersection(*(set(begun_experts(recipe, folder.fold(k))) for k in folds))
    for k in folds if starts_from_folds(recipe) else folds[:1]:
        check_experts(folder.fold_recipe(k), begun)


def _train_in_process(folder: CrossvalFolder, threads: int, k: int) -> None:
    """Train fold k with its own log, which gets the traceback of an error."""
    folder.fold(k).mkdir(parents=True, exist_ok=True)
    with (folder.fold(k) / "train.log").open("a", buffering=1, encoding="utf-8") as log:
        sys.stdout = sys.stderr = log
        try:
            train_fold(folder, k, threads)
        except Exception:
            traceback.print_exc()
            raise


def train_fold(folder: CrossvalFolder, k: int, threads: int) -> None:
    """Train the experts on all folds but k and export them. threads: 0 for torch's own choice."""
    from ulna.export import export_bundle
    from ulna.models.threads import limit_torch_threads
    from ulna.training import DataSource, train_run

    limit_torch_threads(threads)
    quiet_fabric()
    data, run = Path(folder.settings.data), folder.fold(k)
    everything = (*folder.labelled, *folder.extra)
    source = DataSource(data_kind(data), recorded_name(data), folder.cache, everything)
    train_run(folder.fold_recipe(k), folder.training(k), run, source)
    export_bundle(run, run / "bundle")


def record_data(folder: CrossvalFolder) -> DataFingerprint:
    """Write the fingerprint of the data and the split, where `ulna evaluate` looks for them.

    Raises ConfigError where the folder was begun on other data: the folds would change, and experts
    would predict studies that they were trained on.
    """
    from ulna.training.fingerprint import fingerprint_studies

    studies, data = [*folder.labelled, *folder.extra], Path(folder.settings.data)
    means = folder.settings.recipe.abnormal_means
    now = fingerprint_studies(studies, data_kind(data), recorded_name(data), means)
    saved = folder.out / DATA
    if saved.is_file() and (before := read_json(DataFingerprint, saved)).sha256 != now.sha256:
        raise ConfigError(
            f"{folder.out} holds a cross-validation of {before.n_studies} studies, but the data "
            f"have {now.n_studies} now, or other labels or file names, so that the folds differ: "
            "give another --out"
        )
    split = {"train": sorted(s.key for s in studies), "tune": [], "calibration": []}
    write_json(split, folder.out / "split.json")
    write_json(now, saved)
    return now
