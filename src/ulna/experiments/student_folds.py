"""`ulna distil --folds`: a cross-validation of students, taught by those of another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ulna.bundle import StudentParity
from ulna.config.codec import write_json
from ulna.config.engine import EngineSettings
from ulna.config.recipe import Recipe
from ulna.evaluation.out_of_fold import find_predictions
from ulna.experiments.crossval import CrossvalResult, finish
from ulna.experiments.extras import require
from ulna.experiments.incomplete import unscored
from ulna.experiments.progress import Progress, silent
from ulna.experiments.recipe_choice import choose_recipe
from ulna.training.quiet import quiet_fabric


@dataclass(frozen=True)
class FoldsTaught:
    """The students on folds. folds: those that are trained. crossval, parity: None until scored.

    crossval: the students' scores, compared with their teachers'. parity: the figures of the
    acceptance test, out of fold; None while studies have no answer.
    """

    folds: tuple[int, ...]
    crossval: CrossvalResult | None = None
    parity: StudentParity | None = None


def distil_folds(
    folds: Path,
    recipe: Recipe | str,
    out: Path,
    *,
    encoders: str | None = None,
    set: Sequence[str] = (),
    initial: Sequence[str] = (),
    also: Sequence[Path] = (),
    only: Sequence[int] = (),
    devices: int = 1,
    engine: EngineSettings | str = "auto",
    progress: Progress | None = None,
) -> FoldsTaught:
    """Train a student on each fold of a cross-validation, taught by that fold's bundle.

    The student of a fold is trained on the fold's training images and predicts the fold. `out` is
    then a cross-validation like any other, compared with its teachers, and `out`/parity.json has
    the figures of the acceptance test. A single fold is trained but not scored. Finished steps are
    not repeated.

    Args:
        folds: Folder of the teachers' cross-validation (`cross_validate`), all folds trained.
        recipe: The student's: name of a recipe, path of a JSON file, or the recipe itself.
        out: Folder of the students' cross-validation.
        encoders: Comma-separated names; each becomes an expert, in place of the recipe's experts
            that are not cnn.
        set: Settings of the recipe to change, each 'KEY=VALUE'.
        initial: Initial weights of the expert, '[EXPERT=]KIND[:PATH]'.
        also: Images to train on with the teachers' answers as the only target.
        only: Some of the folds, counted from 0; none for all.
        devices: Number of processes that train a student together.
        engine: Inference engine and precision of the teachers' answers, as 'openvino:bf16:2'.
        progress: Called often with (stage, done, total).

    Returns:
        The trained folds, their scores and the figures of the acceptance test.

    Raises:
        ConfigError: Folds that are not all trained, data that have changed since, a recipe that is
            no student's, or an `out` of other students.
        DependencyError: The extra 'train' or 'report' is not installed.

    Example::

        taught = distil_folds(Path("runs/cv"), "student", Path("runs/student-cv"))
        taught.parity.difference  # of AUROC: value and 95 % interval
    """
    require("train", "report")
    from ulna.experiments.fold_parity import PARITY, fold_parity
    from ulna.experiments.fold_teachers import fit_fusions, open_folds, teach_fold

    on_progress = progress or silent
    chosen = choose_recipe(recipe, set, initial, encoders)
    quiet_fabric()
    teachers = open_folds(folds, chosen, out, only, also, EngineSettings.of(engine))
    teachers = replace(teachers, devices=devices)
    students = teachers.students
    numbers, predictions = students.requested, find_predictions(folds)
    fit_fusions(teachers, on_progress)
    for done, k in enumerate(numbers, start=1):
        teach_fold(teachers, k, on_progress)
        on_progress("folds", done, len(numbers))
    if len(numbers) < 2:
        return FoldsTaught(numbers)
    data = Path(students.settings.data)
    crossval = finish(students, data, against=(folds,), progress=on_progress)
    if unscored(crossval.metrics):
        return FoldsTaught(numbers, crossval)
    parity = fold_parity(teachers, predictions, on_progress)
    write_json(parity, out / PARITY)
    return FoldsTaught(numbers, crossval, parity)
