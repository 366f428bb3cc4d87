"""Distillation of a bundle into one small network: the function behind `ulna distil`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ulna.config.engine import EngineSettings
from ulna.config.recipe import Recipe
from ulna.datasets import data_kind, index_data
from ulna.datasets.labelled_data import recorded_name
from ulna.datasets.unlabelled import without_labels
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
    """Distil the answers and heat maps of a bundle, on the images of the data, into one network.

    The bundle's fused answers are computed once and kept in `out`; together with the labels of the
    data they are the targets. The acceptance test compares student and teacher on held-out images.
    Finished steps are not repeated, so the same call continues a killed one. `ulna.distil.distil`
    does the same for studies that are indexed already.

    Args:
        bundle: The teacher's folder.
        data: Table or folder of labelled images; those that it holds out itself are not trained on.
        recipe: The student's: name of a recipe, path of a JSON file, or the recipe itself.
        out: The student's run; its bundle lies in `out`/bundle.
        encoders: Comma-separated names; each becomes an expert, in place of the recipe's experts
            that are not cnn.
        set: Settings of the recipe to change, each 'KEY=VALUE'.
        initial: Initial weights of the expert, '[EXPERT=]KIND[:PATH]'.
        also: Images to train on with the teacher's answers as the only target.
        gate: Labelled images for the acceptance test; by default those that the data or the run
            hold out.
        proof: Folder of students on folds (`distil_folds`), whose acceptance test and calibration
            replace held-out images, so that the student is trained on every image.
        devices: Number of processes that train together.
        accept: Keep a student that fails the acceptance test.
        outliers: Tables of images of other body regions, which the student is to refuse.
        engine: Inference engine and precision of the teacher's answers, as 'openvino:bf16:2'.
        progress: Called often with (stage, done, total).

    Returns:
        The student's bundle, and the figures of its acceptance test.

    Raises:
        ConfigError: A recipe that is no student's, an `out` of another student, or too few studies
            for the acceptance test.
        BundleError: A student that fails the acceptance test, unless `accept`.
        DatasetError, TrainingError, WeightsError: From training.
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
    tested = index_data(gate) if gate is not None else []
    return DistillationInput(
        studies=studies,
        source=DataSource(data_kind(data), recorded_name(data)),
        split=_split_of_teacher(bundle, studies),
        beside=without_labels([index_data(path) for path in also], [*studies, *tested]),
        gate=tested,
        outliers=[index_data(table) for table in outliers],
    )


def _split_of_teacher(bundle: Path, studies: Sequence[Study]) -> Mapping[str, Sequence[str]] | None:
    """Return the split of the teacher's run, where the teacher lies in it and has these studies."""
    run = run_of_bundle(bundle)
    if run is None or not same_data(studies, run) or not run_split(run).get("calibration"):
        return None
    LOG.info("split as in the teacher's run %s", run)
    return run_split(run)
