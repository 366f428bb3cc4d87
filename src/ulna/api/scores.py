"""Functions that score a bundle, or a recipe by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ulna.api.recipes import recipe as chosen_recipe

if TYPE_CHECKING:
    from ulna.config.engine import EngineSettings
    from ulna.config.recipe import Recipe
    from ulna.experiments import CrossvalResult
    from ulna.experiments.given_data import Data
    from ulna.experiments.progress import Progress


def evaluate(
    bundle: Path | str,
    data: Data,
    *,
    out: Path | str | None = None,
    include: Sequence[Path | str] = (),
    split: Literal["valid", "all"] | None = None,
    run: Path | str | None = None,
    operating_point: str | None = None,
    cascade: bool = False,
    engine: EngineSettings | str = "onnxruntime:fp32",
    progress: Progress | None = None,
) -> Mapping[str, Any]:
    """Score a bundle on labelled studies, as `ulna evaluate` does.

    Parameters
    ----------
    bundle : path
        The bundle's folder, or "demonstration".
    data : path or sequence of Study
        Labelled studies. Without `split` those are scored that the data hold out themselves; if
        there are none, those that the bundle's run never used; if the run is not known, all.
    out : path, optional
        Folder for metrics.json, predictions.csv, report.html and receipt.json.
    include : sequence of paths
        Folders of `ulna stress`, `examine`, `review`, `score` or `audit`, for the report in `out`.
    split : {"valid", "all"}, optional
        The studies that the data hold out, or all.
    run : path, optional
        The run of the bundle; by default the folder that contains it.
    operating_point : str, optional
        One of the bundle's; by default its own.
    cascade : bool
        Score the bundle's cascade too.
    engine : str or EngineSettings
        Inference engine and precision; the default gives the same results on every machine.
    progress : callable, optional
        Called with (stage, done, total).

    Returns
    -------
    mapping
        The content of metrics.json: "by_body_part" has a group for each body part and "ALL", with
        "auroc", "sensitivity", "specificity", "kappa", ... each {"value", "low", "high"} with a
        95 % interval by bootstrap over patients. "no_answer" counts studies without an answer.

    Raises
    ------
    ConfigError
        For an unknown operating point, or a folder in place of an output.
    DatasetError
        If no labelled study could be scored.
    BundleError
        For a bundle that is missing or damaged.
    DependencyError
        With `out`, if the extra 'report' is not installed.

    Examples
    --------
    >>> import ulna
    >>> scores = ulna.evaluate("runs/first/bundle", "phantoms", split="all")
    >>> sorted(scores["by_body_part"]["ALL"]["auroc"])
    ['high', 'low', 'value']
    """
    from ulna.experiments import evaluate as evaluate_bundle

    return evaluate_bundle(
        data,
        Path(bundle),
        None if out is None else Path(out),
        include=[Path(folder) for folder in include],
        split=split,
        run=None if run is None else Path(run),
        operating_point=operating_point,
        cascade=cascade,
        engine=engine,
        progress=progress,
    )


def cross_validate(
    data: Path | str,
    recipe: Recipe | Path | str,
    *,
    out: Path | str,
    folds: int = 5,
    fold_seed: int = 0,
    jobs: int = 1,
    encoders: Sequence[str] | str | None = None,
    set: Mapping[str, Any] | Sequence[str] = (),
    initial: Sequence[str] | str = (),
    only: Sequence[int] = (),
    progress: Progress | None = None,
) -> CrossvalResult:
    """Cross-validate a recipe by patient, as `ulna crossval` does.

    `ulna.experiments.cross_validate` has the command's other settings too.

    Parameters
    ----------
    data : path
        A table or data folder.
    recipe, encoders, set, initial
        As for `ulna.recipe`.
    out : path
        Folder for folds, scores and the bundle of all folds' experts. The same call continues one
        that was stopped.
    folds, fold_seed : int
        Number of folds, and the seed that assigns patients to them.
    jobs : int
        Folds trained at a time. With several, each has its own process, and a script must guard
        the call with ``if __name__ == "__main__":``.
    only : sequence of int
        Some of the folds, from 0.
    progress : callable, optional
        Called with (stage, done, total).

    Returns
    -------
    CrossvalResult
        `scores` by group, out of fold, with intervals; `metrics`; `folder`.

    Raises
    ------
    ConfigError, DatasetError, TrainingError
        For invalid settings or data, or a fold that failed.
    DependencyError
        Without the extras 'train' and 'report'.

    Examples
    --------
    >>> import ulna
    >>> result = ulna.cross_validate("phantoms", "tiny.json", out="runs/cv", folds=2)
    >>> 0 <= result.scores["scores"]["all"]["auroc"]["value"] <= 1
    True
    """
    from ulna.experiments import cross_validate as validated

    return validated(
        Path(data),
        chosen_recipe(recipe, encoders=encoders, set=set, initial=initial),
        Path(out),
        folds=folds,
        fold_seed=fold_seed,
        jobs=jobs,
        only=only,
        progress=progress,
    )
