"""A bundle's answers taught to one small network: what `ulna distil` calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ulna.config.engine import EngineSettings
from ulna.config.recipe import Recipe
from ulna.datasets import data_kind, index_data
from ulna.datasets.bare import without_labels
from ulna.datasets.labelled_data import recorded_name
from ulna.experiments.extras import require
from ulna.experiments.held_out import run_of_bundle, run_split, same_data
from ulna.experiments.log import LOG
from ulna.experiments.progress import Progress
from ulna.experiments.recipe_choice import choose_recipe

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle, StudentParity
    from ulna.distil import DistillationInput
    from ulna.types import Study


def distil(
    bundle: Path,
    data: Path,
    recipe: Recipe | str,
    out: Path,
    *,
    encoders: str | None = None,
    set: Sequence[str] = (),
    initial: Sequence[str] = (),
    also: Sequence[Path] = (),
    gate: Path | None = None,
    proof: Path | None = None,
    devices: int = 1,
    accept: bool = False,
    outliers: Sequence[Path] = (),
    engine: EngineSettings | str = "auto",
    progress: Progress | None = None,
) -> tuple[ModelBundle, StudentParity]:
    """Teach the answers and maps of a bundle, on the images of the data, to one small network.

    The bundle's fused answers are asked once and kept in `out`; the labels of the data teach beside
    them. In the end student and teacher answer the same held-out images. What is done is not done
    again, so that a killed call goes on where it was. `ulna.distil.distil` does the same for
    studies that are indexed already.

    Args:
        bundle: The teacher's folder.
        data: Table or folder of labelled images; those that it holds out itself teach nothing.
        recipe: Of the student: name of a recipe, path of a JSON file, or the recipe itself.
        out: The student's run; its bundle lies in `out`/bundle.
        encoders: Names with commas between, of experts in place of the recipe's that are not cnn.
        set: Settings of the recipe to change, each 'KEY=VALUE'.
        initial: Where the expert starts, '[EXPERT=]KIND[:PATH]'.
        also: Images that teach by the teacher's answers alone.
        gate: Labelled images to examine the student on; by default those that the data or the run
            hold out.
        proof: Folder of students on folds (`distil_folds`), whose figures and calibration stand in
            for held-out images, so that every image may teach.
        devices: Processes that train.
        accept: Let a student through that the gate refuses.
        elsewhere: Tables of images of other regions of the body, which the student learns to
        refuse. engine: That the teacher answers the training images in. progress: Called with
        (stage, done, all), often.

    Returns:
        The student's bundle, and the gate's figures of it beside its teacher.

    Raises:
        ConfigError: A recipe that is no student's, an `out` of another student, or too few studies
            to examine it on.
        BundleError: A student that the gate refuses, unless `accept`.
        DatasetError, TrainingError, WeightsError: As of training.
        DependencyError: The extra 'train' is not installed.

    Example::

        student, parity = distil(Path("hybrid"), Path("table.csv"), "student", Path("runs/student"))
        parity.difference  # of AUROC: value and 95 % interval
    """
    require("train")
    from ulna.distil import distil as distil_lesson
    from ulna.experiments.fold_parity import read_proof
    from ulna.training.quiet import quiet_fabric

    chosen = choose_recipe(recipe, set, initial, encoders)
    quiet_fabric()
    lesson = _lesson(bundle, data, also, gate, outliers)
    lesson = replace(lesson, engine=EngineSettings.of(engine), devices=devices)
    return distil_lesson(
        bundle,
        chosen,
        lesson,
        out,
        proof=None if proof is None else read_proof(proof, chosen),
        accept=accept,
        progress=progress,
    )


def _lesson(
    bundle: Path, data: Path, also: Sequence[Path], gate: Path | None, outliers: Sequence[Path]
) -> DistillationInput:
    from ulna.distil import DistillationInput
    from ulna.training import DataSource

    studies = index_data(data)
    examined = index_data(gate) if gate is not None else []
    return DistillationInput(
        studies=studies,
        source=DataSource(data_kind(data), recorded_name(data)),
        split=_split_of_teacher(bundle, studies),
        beside=without_labels([index_data(path) for path in also], [*studies, *examined]),
        gate=examined,
        outliers=[index_data(table) for table in outliers],
    )


def _split_of_teacher(bundle: Path, studies: Sequence[Study]) -> Mapping[str, Sequence[str]] | None:
    """Study keys by part of the teacher's own run, where it lies there and is of these studies."""
    run = run_of_bundle(bundle)
    if run is None or not same_data(studies, run) or not run_split(run).get("calibration"):
        return None
    LOG.info("split as in the teacher's run %s", run)
    return run_split(run)
