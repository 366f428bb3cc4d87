"""Training with labels and without, and the comparison of heat-map methods for a run."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ulna.config.codec import from_json, to_json
from ulna.config.recipe import Recipe
from ulna.config.selfsupervision import SelfSupervision, self_supervision_of
from ulna.datasets import data_kind, index_data
from ulna.datasets.image_groups import drop_repeated
from ulna.datasets.left_out import LeftOut
from ulna.errors import ConfigError, UlnaWarning
from ulna.experiments.extras import require
from ulna.experiments.given_data import Data, kind_and_name, studies_of
from ulna.experiments.held_out import test_studies
from ulna.experiments.log import LOG
from ulna.experiments.progress import Progress, silent
from ulna.experiments.recipe_choice import apply_changes, choose_recipe
from ulna.experiments.results import check_outputs

if TYPE_CHECKING:
    from ulna.attribution.methods.method_score import MethodScore
    from ulna.types import Study


def train(
    data: Data,
    recipe: Recipe | str,
    out: Path,
    *,
    encoders: str | None = None,
    set: Sequence[str] = (),
    initial: Sequence[str] = (),
    devices: int = 1,
    resume: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Train the experts of a recipe; weights, split and logs go to the run's folder.

    Args:
        data: MURA folder, phantom folder, table or table of sources, or studies that are indexed
            already. Studies that it holds out itself (valid, test) are not used; the others are
            split by patient, as the recipe's fractions say.
        recipe: Name of a recipe, path of a JSON file, or the recipe itself.
        out: The run's folder.
        encoders: Comma-separated names; each becomes an expert, in place of the recipe's experts
            that are not cnn.
        set: Settings of the recipe to change, each 'KEY=VALUE', as 'experts.cnn.epochs=5'.
        initial: Initial weights, each '[EXPERT=]KIND[:PATH]'.
        devices: Number of processes that train together.
        resume: Resume the run in `out`, if there is one.
        progress: Called often with (stage, done, total); under torchrun only the first process
            calls it, and only that process warns.

    Returns:
        `out`.

    Raises:
        ConfigError: A run in `out` without `resume`, or invalid settings.
        DatasetError, TrainingError, WeightsError: Data, training or weights that cannot be used.
        DependencyError: The extra 'train' is not installed.

    Example::

        run = train(Path("phantoms"), "demo", Path("runs/first"), set=["experts.cnn.epochs=5"])
    """
    require("train")
    from ulna.training import DataSource, train_run
    from ulna.training.quiet import quiet_fabric
    from ulna.training.ranks.launch import torchrun_rank

    chosen = choose_recipe(recipe, set, initial, encoders)
    first = torchrun_rank() == 0
    if first and not resume and (out / "recipe.json").is_file():
        raise ConfigError(
            f"{out} holds a run already: add --resume (in Python resume=True), or give "
            "another folder"
        )
    quiet_fabric()
    with warnings.catch_warnings():
        if not first:  # torchrun's first process gives the same warnings
            warnings.simplefilter("ignore", UlnaWarning)
        train_run(
            chosen,
            studies_of(data),
            out,
            DataSource(*kind_and_name(data)),
            devices=devices,
            progress=progress if first else None,
        )
    return out


def self_supervise(
    data: Sequence[Path],
    recipe: Recipe | str,
    out: Path,
    *,
    expert: str | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    set: Sequence[str] = (),
    initial: str | None = None,
    all_splits: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> SelfSupervision:
    """Train an expert's encoder on radiographs without labels (VICReg, from the package lightly).

    `train` starts from the result with `initial=["EXPERT=run:OUT"]`.

    Args:
        data: Anything that holds radiographs: tables, phantom, MURA and DICOM folders.
        recipe: The recipe that has the expert and its input: name, path of a JSON file, or itself.
        out: The run's folder.
        expert: Which expert, where the recipe has several.
        epochs: Passes over all images; None for 100.
        minutes: Longest time of training; 0 for no limit, None for the settings' own.
        set: Settings to change, each 'KEY=VALUE', as 'batch_size=128'.
        initial: Initial weights of the encoder, 'KIND[:PATH]'; None as in the recipe.
        all_splits: Use images of 'valid' and 'test' as well.
        resume: Resume the run in `out`, if there is one.
        progress: Called often with (stage, done, total).

    Returns:
        The settings of the run; `name` is the expert's.

    Raises:
        ConfigError: A run in `out` without `resume`, or invalid settings.
        DatasetError, TrainingError, WeightsError: Data, training or weights that cannot be used.
        DependencyError: The extra 'train' or 'ssl' is not installed.

    Example::

        self_supervise([Path("images.csv")], "fracatlas", Path("runs/images"), expert="cnn")
    """
    require("train", "ssl")
    from ulna.training.folder import SELF_SUPERVISION
    from ulna.training.quiet import quiet_fabric
    from ulna.training.selfsupervised.run import self_supervised_run

    limits = {"epochs": epochs, "minutes": minutes}
    changes = [*set, *(f"{key}={value}" for key, value in limits.items() if value is not None)]
    chosen = choose_recipe(recipe, initial=[initial] if initial else [])
    changed = to_json(self_supervision_of(chosen, expert))
    apply_changes(changed, changes)
    settings = from_json(SelfSupervision, changed, "settings")
    if not resume and (out / SELF_SUPERVISION).is_file():
        raise ConfigError(
            f"{out} holds a run already: add --resume (in Python resume=True), or give "
            "another folder"
        )
    quiet_fabric()
    self_supervised_run(
        settings,
        studies_of_all(data, all_splits),
        out,
        kind="+".join(sorted({data_kind(path) for path in data})),
        name="+".join(path.resolve().name for path in data),
        progress=progress or silent,
    )
    return settings


def studies_of_all(data: Sequence[Path], all_splits: bool) -> list[Study]:
    """Return all studies, each image once; without those held out unless `all_splits`."""
    from ulna.training.selfsupervised.run import leave_held_out

    studies = [study for path in data for study in index_data(path)]
    skipped = LeftOut()
    # Held-out studies go first: the later of two tables with one image may hold it out.
    studies = drop_repeated(studies if all_splits else leave_held_out(studies), skipped)
    skipped.warn(f"{len(data)} data sets")
    return studies


def explain(
    data: Path,
    run: Path,
    out: Path,
    *,
    studies: int = 60,
    progress: Progress | None = None,
) -> Sequence[MethodScore]:
    """Compare heat-map methods with the built-in map, where masks or boxes are known.

    Args:
        data: Labelled table or folder; abnormal studies that the run has not used are taken.
        run: The run's folder (these methods need torch).
        out: Folder for explain.json, explain.csv and explain.png.
        studies: Studies compared at most.
        progress: Called often with (stage, done, total); the stage is 'explain'.

    Returns:
        For each expert and method: pointing game, energy inside and IoU with their chance levels,
        and the time for one image in milliseconds.

    Raises:
        ConfigError: A folder in place of an output, or no run.
        DatasetError: No studies whose place is known.
        DependencyError: The extra 'train' or 'explain' is not installed.

    Example::

        scores = explain(Path("phantoms"), Path("runs/first"), Path("runs/first/explain"))
    """
    require("train", "explain")
    from ulna.attribution.methods import compare_methods

    check_outputs(out, "explain.json", "explain.csv", "explain.png")
    chosen, description = test_studies(index_data(data), "", run)
    LOG.info("comparing on %s", description)
    on_progress = partial(progress or silent, "explain")
    return compare_methods(run, chosen, out, limit=studies, progress=on_progress)
