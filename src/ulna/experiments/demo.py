"""Every step from phantoms to a report: the function behind `ulna demo`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ulna.config.recipe import Recipe
from ulna.experiments.demo_steps import DemoFolder, DemoSettings, extras_of
from ulna.experiments.extras import require
from ulna.experiments.progress import Progress, silent
from ulna.experiments.recipe_choice import choose_recipe
from ulna.experiments.results import read_metrics


@dataclass(frozen=True)
class DemoResult:
    """A finished demo. folder: the paths of its files. metrics: as in evaluation/metrics.json."""

    folder: DemoFolder
    metrics: Mapping[str, Any]


def run_demo(
    *,
    data: Path | None = None,
    out: Path = Path("runs/demo"),
    recipe: Recipe | str = "demo",
    initial: Sequence[str] = (),
    seed: int = 1,
    studies: int | None = None,
    minutes: float | None = None,
    test_share: float | None = None,
    progress: Progress | None = None,
) -> DemoResult:
    """Make phantoms (or take your data), train, export, calibrate, examine and evaluate.

    Finished steps are not repeated, so the same call continues a stopped demo.

    Args:
        data: Your own data (MURA folder, table) in place of phantoms.
        out: Folder for everything; new, or that of the same demo.
        recipe: Name of a recipe, path of a JSON file, or the recipe itself.
        initial: Initial weights, each '[EXPERT=]KIND[:PATH]'; 'random' trains all from scratch.
        seed: Seed of the recipe and of the phantoms.
        studies: Phantoms to make, 200 or more; None for 1200.
        minutes: Time for training; None for the recipe's, 0 for no limit.
        test_share: Held out for the report, between 0 and 1: of the phantoms (None: 0.2), or of the
            patients of data without a split of their own (None: 0.25).
        progress: Called often with (stage, done, total).

    Returns:
        The folder (`folder.report`, `folder.bundle`, ...) and the scores. Studies without an answer
        are in the metrics, not raised (see `check_scored`).

    Raises:
        ConfigError: Arguments that contradict each other, or an `out` that holds anything else.
        DatasetError, TrainingError, WeightsError: From the steps.
        DependencyError: An extra that a step needs is not installed.

    Example::

        demo = run_demo(out=Path("runs/seven"), seed=7)
        demo.metrics["by_body_part"]["ALL"]["auroc"]["value"]
    """
    require("train", "report", *(() if data else ("phantom",)))
    chosen = replace(choose_recipe(recipe, initial=initial), seed=seed)
    require(*extras_of(chosen))
    if minutes is not None:
        chosen = replace(chosen, minutes=minutes)
    settings = DemoSettings.of(data, chosen, studies, test_share or (0.25 if data else 0.2))
    folder = DemoFolder.open(out, settings)
    folder.run_steps(progress or silent)
    return DemoResult(folder, read_metrics(folder.evaluation))
