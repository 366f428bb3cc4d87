"""The steps of `ulna crossval`: folds trained in processes of their own, then joined."""

from __future__ import annotations

import json
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
from ulna.datasets.labelled import labelled, teaches_beside
from ulna.datasets.labelled_data import recorded_name
from ulna.datasets.overlap import Overlap
from ulna.errors import ConfigError, DatasetError, DatasetWarning
from ulna.evaluation.left_out import place_of, studies_left_out
from ulna.experiments.crossval_settings import CrossvalSettings
from ulna.experiments.fold_starts import starts_from_folds, starts_of_fold, with_begun_starts
from ulna.experiments.held_out import TEST_SIDES
from ulna.experiments.progress import Progress
from ulna.experiments.side_by_side import run_side_by_side, tell_of_failed
from ulna.machine import usable_cores
from ulna.training.quiet import quiet_fabric
from ulna.types import Study

DATA = "data.json"
"""In the folder of a cross-validation that was begun: what it learns from."""


@dataclass(frozen=True)
class CrossvalFolder:
    """Where a cross-validation puts what it makes.

    cache: decoded images, for other runs too. asked: the folds that are trained and answered.
    elsewhere: tables of images of other regions, which the bundle learns to refuse.
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
        """A new folder, or the same cross-validation's. Raises ConfigError for any other.

        only: some of the folds, at least two; none for all.
        """
        requested = tuple(sorted(set(only))) or tuple(range(settings.folds))
        if len(requested) < 2 or requested[0] < 0 or requested[-1] >= settings.folds:
            raise ConfigError(
                f"folds {', '.join(map(str, requested))} of {settings.folds}: expected at least "
                "two "
                f"of 0 to {settings.folds - 1}, since each is calibrated on the others"
            )
        saved = out / "crossval.json"
        settings = settings.settled(saved)
        if saved.is_file() and _begun(out):
            settings.check_goes_on(read_json(CrossvalSettings, saved), out)
        elif not saved.is_file() and out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(f"{out} is there and is no cross-validation: give another --out")
        out.mkdir(parents=True, exist_ok=True)
        write_json(settings, saved)
        return cls(out, settings, cache or out / "cache", requested)

    def answered(self) -> bool:
        """Whether the folds asked, and only they, are answered and evaluated already.

        Answers of an earlier version, whose table or metrics say less, do not count.
        """
        from ulna.evaluation.table_reading import read_predictions

        try:
            metrics = json.loads((self.evaluation / "metrics.json").read_text("utf-8"))
            rows = read_predictions(self.evaluation / "predictions.csv")
        except (FileNotFoundError, ValueError, DatasetError):
            return False
        requested = {f"fold{k}" for k in self.requested}
        outside = all((place_of(self.out, n) / "metrics.json").is_file() for n in self.left_out)
        done = "arithmetic" in metrics and {r.split for r in rows} == requested and outside
        return done and (not self.outliers or self._knows_outliers())

    def refusing(self, outliers: Sequence[Path]) -> CrossvalFolder:
        """The same, whose bundle learns to refuse the images of these tables or folders."""
        return replace(self, outliers=tuple(tuple(index_data(t)) for t in outliers))

    def _knows_outliers(self) -> bool:
        out_of_distribution = read_bundle(self.bundle).manifest.out_of_distribution
        return (
            out_of_distribution is None or out_of_distribution.n_outliers.get("other region", 0) > 0
        )

    @property
    def bundle(self) -> Path:
        """The bundle of all folds' experts."""
        return self.out / "bundle"

    @property
    def evaluation(self) -> Path:
        """Out-of-fold predictions, metrics and the report."""
        return self.out / "evaluation"

    def fold(self, k: int) -> Path:
        """The run of fold k."""
        return self.out / f"fold{k}"

    @cached_property
    def inside(self) -> list[Study]:
        """The data but for the sources that are left out and what the data hold out themselves."""
        free = [s for s in index_data(self.settings.data) if s.split not in TEST_SIDES]
        return [s for s in free if s.source not in self.settings.leave_out]

    @cached_property
    def left_out(self) -> dict[str, list[Study]]:
        """The labelled studies of each source that is left out."""
        settings = self.settings
        return studies_left_out(settings.data, settings.leave_out, settings.recipe.body_parts)

    @cached_property
    def labelled(self) -> list[Study]:
        """What is cross-validated: labelled, of known body parts, not held out by the data."""
        parts, studies = self.settings.recipe.body_parts, self.inside
        requested = [s for s in studies if not teaches_beside(s)]
        if chosen := labelled(requested, "cross-validation", parts, part_needed=True):
            return chosen
        raise DatasetError(
            f"{self.settings.data}: none of {len(studies)} studies is labelled and of "
            f"{', '.join(parts)}"
        )

    @cached_property
    def beside(self) -> list[Study]:
        """What every fold learns from beside: what cannot be scored of several sources, `also`."""
        own = [s for s in self.inside if teaches_beside(s)]
        if not self.settings.also:
            return own
        free = [s for s in index_data(self.settings.also) if s.split not in TEST_SIDES]
        result = labelled(free, f"{self.settings.also}", heads=True)
        shared = {s.key for s in result} & {s.key for s in self.labelled}
        away = Overlap(self.away)
        outside = [s.key for s in result if away.images(s)]
        if known := [s.key for s in result if away.patient(s)]:
            warnings.warn(
                f"{self.settings.also}: {len(known)} studies have the patient_id of one of a "
                f"source that is left out (first: {known[0]}): if it is the same patient, that "
                "source's scores are flattered",
                DatasetWarning,
                stacklevel=2,
            )
        if not result or shared or outside:
            raise DatasetError(
                f"{self.settings.also}: {len(result)} labelled studies, {len(shared)} of them with "
                f"the patient and study of one that is cross-validated, {len(outside)} of a source "
                "that is left out: expected others, with ids of their own"
            )
        return [*own, *result]

    def training(self, k: int) -> list[Study]:
        """What fold k learns from: no patient and no image that it holds out."""
        held = Overlap(self.folds[k])
        every = (*self.labelled, *self.beside)
        return [s for s in every if not (held.patient(s) or held.images(s))]

    @cached_property
    def folds(self) -> list[list[Study]]:
        """The studies by fold."""
        return assign_folds(self.labelled, self.settings.folds, self.settings.fold_seed)

    def fold_recipe(self, k: int) -> Recipe:
        """The recipe on all that is not fold k; fusion is fitted across folds, not inside."""
        recipe = self.settings.recipe
        tune = recipe.fractions["tune"] if recipe.patience else 0.0
        fractions = {"train": 1 - tune, "tune": tune, "calibration": 0.0}
        own = replace(recipe, fractions=fractions, seed=recipe.seed + k)
        own = with_begun_starts(own, k, self.fold(k))
        every = [*self.labelled, *self.beside]
        return starts_of_fold(own, k, self.folds[k], every, self.away)

    @cached_property
    def away(self) -> list[Study]:
        """The studies of the sources that are left out."""
        return [s for studies in self.left_out.values() for s in studies]


def _begun(out: Path) -> bool:
    """Whether more is there than the settings of a call that was refused before any work."""
    return (out / DATA).is_file() or any(out.glob("fold*"))


def train_folds(folder: CrossvalFolder, jobs: int, report: Progress) -> None:
    """Train and export the folds that are not done, `jobs` at a time.

    With several jobs each fold has a process of its own: one that is killed, as a rule for want of
    memory, costs no other. Raises UlnaError naming the folds that ran out of memory, TrainingError
    those that failed otherwise, when the others are done.
    """
    from ulna.training.cache import build_cache

    n = len(folder.requested)
    todo = [
        k for k in folder.requested if not (folder.fold(k) / "bundle" / "manifest.json").is_file()
    ]
    if not todo:
        return
    check_starts(folder, todo)
    build_cache([*folder.labelled, *folder.beside], folder.settings.recipe, folder.cache, report)
    report("folds", n - len(todo), n)
    threads = max(1, usable_cores() // jobs)
    if jobs == 1:
        for done, k in enumerate(todo, start=n - len(todo) + 1):
            train_fold(folder, k, 0)
            report("folds", done, n)
        return
    number = count(n - len(todo) + 1)
    failed = run_side_by_side(
        partial(_train_in_process, folder, threads),
        todo,
        jobs,
        lambda k: report("folds", next(number), n),
    )
    logs = {k: folder.fold(k) / "train.log" for k in sorted(failed)}
    tell_of_failed({f"fold {k} (more in {log})": failed[k] for k, log in logs.items()})


def check_starts(folder: CrossvalFolder, folds: Sequence[int]) -> None:
    """Raise for experts of these folds that could not be built, or start, when their turn comes."""
    from ulna.models.check import check_experts
    from ulna.training.folder import begun_experts

    recipe = folder.settings.recipe
    begun = set.intersection(*(set(begun_experts(recipe, folder.fold(k))) for k in folds))
    for k in folds if starts_from_folds(recipe) else folds[:1]:
        check_experts(folder.fold_recipe(k), begun)


def _train_in_process(folder: CrossvalFolder, threads: int, k: int) -> None:
    """Train fold k with its own log, to which an error goes whole."""
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
    everything = (*folder.labelled, *folder.beside)
    source = DataSource(data_kind(data), recorded_name(data), folder.cache, everything)
    train_run(folder.fold_recipe(k), folder.training(k), run, source)
    export_bundle(run, run / "bundle")


def record_data(folder: CrossvalFolder) -> DataFingerprint:
    """Write what the joint bundle learns from, where `ulna evaluate` looks for it.

    Raises ConfigError where the folder was begun on other data: folds would be dealt anew, and
    experts answer studies that they have learned from.
    """
    from ulna.training.fingerprint import fingerprint_studies

    studies, data = [*folder.labelled, *folder.beside], Path(folder.settings.data)
    means = folder.settings.recipe.abnormal_means
    result = fingerprint_studies(studies, data_kind(data), recorded_name(data), means)
    saved = folder.out / DATA
    if saved.is_file() and (before := read_json(DataFingerprint, saved)).sha256 != result.sha256:
        raise ConfigError(
            f"{folder.out} holds a cross-validation of {before.n_studies} studies, the data have "
            f"{result.n_studies} now, or other labels or file names: its folds are not those of "
            "these data: give another --out"
        )
    split = {"train": sorted(s.key for s in studies), "tune": [], "calibration": []}
    write_json(split, folder.out / "split.json")
    write_json(result, saved)
    return result
