"""`ulna distil --folds`: a cross-validation whose folds are students of another one's folds."""

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
    """Students on folds. folds: those that are taught. crossval, parity: None while not scored.

    crossval: the students' scores beside their teachers'. parity: the gate's figures, out of fold;
    not computed while studies have no answer.
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
    """Teach a student on each fold of a cross-validation, by that fold's bundle; score them.

    The student of a fold learns on the fold's training images and answers the fold. `out` is then a
    cross-validation like any other, compared with its teachers, and `out`/parity.json has the
    gate's figures. One fold alone is only taught. What is done is not done again.

    Args:
        folds: Folder of the teachers' cross-validation (`cross_validate`), all folds trained.
        recipe: Of the student: name of a recipe, path of a JSON file, or the recipe itself.
        out: Folder of the students' cross-validation.
        encoders: Names with commas between, of experts in place of the recipe's that are not cnn.
        set: Settings of the recipe to change, each 'KEY=VALUE'.
        initial: Where experts start, each '[EXPERT=]KIND[:PATH]'.
        also: Images that teach by the teachers' answers alone.
        only: Some of the folds, counted from 0; none for all.
        devices: Processes that train one student.
        engine: That the teachers answer the training images in.
        progress: Called with (stage, done, all), often.

    Returns:
        The folds taught, their scores and the gate's figures.

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

    report = progress or silent
    chosen = choose_recipe(recipe, set, initial, encoders)
    quiet_fabric()
    requested = EngineSettings.of(engine)
    opened = replace(open_folds(folds, chosen, out, only, also, requested), devices=devices)
    theirs, numbers = find_predictions(folds), opened.students.requested
    fit_fusions(opened, report)
    for done, k in enumerate(numbers, start=1):
        teach_fold(opened, k, report)
        report("folds", done, len(numbers))
    if len(numbers) < 2:
        return FoldsTaught(numbers)
    data = Path(opened.students.settings.data)
    result = finish(opened.students, data, against=(folds,), progress=report)
    if unscored(result.metrics):
        return FoldsTaught(numbers, result)
    parity = fold_parity(opened, theirs, report)
    write_json(parity, out / PARITY)
    return FoldsTaught(numbers, result, parity)
