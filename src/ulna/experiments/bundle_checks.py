"""A bundle on labelled studies that it has not learned from: scored, stressed, examined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ulna.bundle import find_bundle
from ulna.config.engine import EngineSettings
from ulna.errors import ConfigError
from ulna.experiments.extras import require
from ulna.experiments.given_data import Data, studies_of
from ulna.experiments.held_out import run_of_bundle, test_studies
from ulna.experiments.log import LOG
from ulna.experiments.progress import Progress, silent
from ulna.experiments.receipts import evaluation_receipt, examination_receipt, stress_receipt
from ulna.experiments.results import EVALUATION_FILES, check_outputs, read_metrics

if TYPE_CHECKING:
    from ulna.bundle import MapExamination
    from ulna.types import Study

Split = Literal["valid", "all"]


@dataclass(frozen=True)
class Examined:
    """A verdict on a bundle's heat maps, which is in the bundle now, and what it rests on.

    figures: as in examination.json.
    """

    verdict: MapExamination
    figures: Mapping[str, Any]


def evaluate(
    data: Data,
    bundle: Path,
    out: Path | None,
    *,
    include: Sequence[Path] = (),
    split: Split | None = None,
    run: Path | None = None,
    operating_point: str | None = None,
    cascade: bool = False,
    engine: EngineSettings | str = "onnxruntime:fp32",
    progress: Progress | None = None,
) -> Mapping[str, Any]:
    """Score a bundle on labelled studies: metrics.json, predictions.csv, report.html, receipt.json.

    Without `split` the studies are those that the data themselves hold out (valid, test); if they
    hold out none, those that the bundle's run never used; if the run is not known, all. The choice
    is logged.

    Args:
        data: Labelled table or folder, or studies that are indexed already.
        bundle: The bundle's folder, or 'demonstration' for that in the package.
        out: Folder for metrics and report; None writes nothing, and needs no extra.
        include: Folders that `stress`, `examine`, `review_labels`, `score` or `audit` wrote, to be
            shown in the report too.
        split: 'valid' (held out by the data) or 'all'.
        run: The bundle's run; None for the folder it lies in.
        operating_point: One of the bundle's; None for the bundle's own.
        cascade: Score the bundle's cascade beside.
        engine: What computes, as 'openvino:bf16:2'.
        progress: Called with (stage, done, all), often.

    Returns:
        What metrics.json holds: scores with 95 % intervals. Studies without an answer are counted
        there under 'no_answer', not raised (see `check_scored`).

    Raises:
        ConfigError: A folder in place of an output, or an operating point that is not known.
        DatasetError: No labelled studies to evaluate on.
        BundleError: A bundle that is missing or damaged.
        DependencyError: The extra 'report' is not installed.

    Example::

        metrics = evaluate(Path("phantoms"), Path("runs/first/bundle"), Path("runs/first/scores"))
        metrics["by_body_part"]["ALL"]["auroc"]["value"]
    """
    from ulna.evaluation import evaluate as evaluate_bundle
    from ulna.evaluation.pipeline import EvaluationSettings, evaluation_metrics

    bundle = find_bundle(bundle)
    requested = EvaluationSettings(
        operating_point or "", engine=EngineSettings.of(engine), cascade=cascade
    )
    on_progress = partial(progress or silent, "evaluate")
    if out is None:
        if include:
            raise ConfigError("include without out: no report is written that could show it")
        studies, _ = _chosen("evaluating", data, bundle, split, run)
        return evaluation_metrics(bundle, studies, requested, progress=on_progress)
    require("report")
    from ulna.evaluation.truth import warn_of_unusable_masks
    from ulna.report.sections.folders import read_included
    from ulna.report.writers import report_including

    check_outputs(out, *EVALUATION_FILES, "receipt.json")
    included = read_included(include)
    studies, words = _chosen("evaluating", data, bundle, split, run)
    warn_of_unusable_masks(studies)
    page = report_including(included)
    evaluate_bundle(bundle, studies, out, requested, report=page, progress=on_progress)
    named = Path(data) if isinstance(data, str | Path) else Path("studies")
    evaluation_receipt(out, named, words, studies, included)
    return read_metrics(out)


def stress(
    data: Path,
    bundle: Path,
    out: Path,
    *,
    studies: int = 90,
    seed: int = 0,
    by: Sequence[str] = (),
    split: Split | None = None,
    run: Path | None = None,
    operating_point: str | None = None,
    engine: EngineSettings | str = "onnxruntime:fp32",
    progress: Progress | None = None,
) -> Mapping[str, Any]:
    """Find where a bundle breaks: stress.json, stress.csv, stress.png, stress.html, receipt.json.

    A sample of the studies is answered untouched and under corruptions at several severities;
    every study of several views once without each of them; all are scored in subgroups. Studies
    are chosen as by `evaluate`.

    Args:
        data: Labelled table or folder.
        bundle: The bundle's folder.
        out: Folder for the results.
        studies: Corrupted at most; drawn by body part and label.
        seed: Of the sample and of the corruptions' draws.
        by: Columns of the table that make further groups, each 'COLUMN' or 'COLUMN:NUMBER'.
        split, run, operating_point, engine: As of `evaluate`.
        progress: Called with (stage, done, all), often.

    Returns:
        What stress.json holds. Studies without an answer are counted there, not raised.

    Raises:
        ConfigError, DatasetError, BundleError: As of `evaluate`.
        DependencyError: The extra 'report' is not installed.

    Example::

        found = stress(Path("table.csv"), Path("bundle"), Path("stress"), studies=60, seed=3)
        found["where_it_breaks"]
    """
    require("report")
    from ulna.evaluation.groups import column_groups
    from ulna.report.writers import stress_writer
    from ulna.robustness.stress import stress as stress_bundle
    from ulna.robustness.stress.pipeline import StressPlan
    from ulna.robustness.stress.traits import image_traits

    bundle = find_bundle(bundle)
    check_outputs(out, "stress.json", "stress.csv", "stress.png", "stress.html", "receipt.json")
    chosen, words = _chosen("stressing", data, bundle, split, run)
    plan = StressPlan(
        studies=studies,
        seed=seed,
        traits=image_traits(data, chosen),
        columns=column_groups(data, chosen, by),
        operating_point=operating_point,
        engine=EngineSettings.of(engine),
    )
    result = stress_bundle(bundle, chosen, out, plan, stress_writer(), progress or silent)
    stress_receipt(out, data, words, chosen, result)
    return result


def examine(
    data: Path,
    bundle: Path,
    out: Path,
    *,
    studies: int = 40,
    seed: int = 0,
    split: Split | None = None,
    run: Path | None = None,
    engine: EngineSettings | str = "onnxruntime:fp32",
    progress: Progress | None = None,
) -> Examined:
    """Examine a bundle's heat maps; the verdict goes into the bundle, whose hash changes.

    Args:
        data: Labelled table or folder in which places of findings are known (masks or boxes).
        bundle: The bundle's folder.
        out: Folder for examination.json, examination.png and receipt.json.
        studies: Examined at most: abnormal ones with a known place.
        seed: Of the sample, noise and shuffling.
        split, run, engine: As of `evaluate`.
        progress: Called with (stage, done, all), often.

    Returns:
        The verdict and its figures.

    Raises:
        ConfigError, BundleError: As of `evaluate`.
        DatasetError: No abnormal studies with a known place.
        DependencyError: The extra 'train' or 'report' is not installed.

    Example::

        found = examine(Path("phantoms"), Path("runs/first/bundle"), Path("runs/first/examination"))
        [t.passed for t in found.verdict.tests]
    """
    require("train", "report")
    from ulna.attribution.examination import ExaminationPlan
    from ulna.attribution.examination import examine as examine_bundle
    from ulna.report.writers import figure_writer

    check_outputs(out, "examination.json", "examination.png", "receipt.json")
    chosen, words = _chosen("examining", data, bundle, split, run)
    plan = ExaminationPlan(studies, seed, engine=EngineSettings.of(engine))
    examined, result = examine_bundle(
        bundle, chosen, out, plan, data.name, figure_writer(), progress or silent
    )
    examination_receipt(out, data, words, chosen, examined)
    verdict = examined.manifest.map_examination
    assert verdict is not None
    return Examined(verdict, result)


def _chosen(
    doing: str, data: Data, bundle: Path, split: Split | None, run: Path | None
) -> tuple[list[Study], str]:
    """The studies, and in words which they are, which is logged."""
    chosen, words = test_studies(studies_of(data), split or "", run or run_of_bundle(bundle))
    LOG.info("%s on %s", doing, words)
    return chosen, words
