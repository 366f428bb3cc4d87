"""`ulna evaluate`: a bundle and labelled studies to metrics.json, predictions.csv, report.html."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ulna.atomic_file import write_atomic
from ulna.config.bounds import check_fields
from ulna.config.engine import PORTABLE, EngineSettings
from ulna.digest import lines_sha256
from ulna.errors import ConfigError, DatasetError
from ulna.evaluation.answered_by import answered_by
from ulna.evaluation.cascade_scores import cascade_scores
from ulna.evaluation.collect import check_splits, collect_rows
from ulna.evaluation.meaning import note_on_meaning
from ulna.evaluation.point_scores import point_scores
from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Json, Resampling
from ulna.evaluation.source_scores import scores_by_source
from ulna.evaluation.summary import summarise
from ulna.evaluation.table import write_predictions
from ulna.evaluation.unanswered import no_answer, no_place, reasons_json
from ulna.runtime.findings import unknown_categories
from ulna.types import Study

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle
    from ulna.runtime import Predictor

Progress = Callable[[int, int], None]
Report = Callable[["ModelBundle", Sequence[StudyRow], Json, Path], None]
"""Writes report.html: (bundle, rows, metrics, file)."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How a bundle is asked and its answers are scored: what decides the numbers beside it.

    operating_point: one of the bundle's, '' for its default. how: bootstrap. cascade: note beside
    every answer what the bundle's cascade answers, and score it (docs/cascade.md).
    """

    operating_point: str = ""
    how: Resampling = field(default_factory=Resampling)
    engine: EngineSettings = PORTABLE
    cascade: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "evaluation")


_AS_THE_BUNDLE_SAYS = EvaluationSettings()


def evaluate(
    bundle_path: Path | str,
    studies: Sequence[Study],
    out: Path | str,
    requested: EvaluationSettings = _AS_THE_BUNDLE_SAYS,
    *,
    report: Callable[[ModelBundle], Report],
    progress: Progress | None = None,
) -> Json:
    """Score the bundle on `studies` and write three files into `out`; returns the metrics.

    report: given the bundle, before any study is asked, returns the writer of report.html (see
    `report.writers`). progress(done, all) counts studies. Studies without a label are predicted
    and counted, not scored; unreadable ones are counted and listed. Raises DatasetError without
    any study that could be scored, ConfigError for an unknown operating point, BundleError.
    """
    from ulna.runtime import Predictor

    predictor = Predictor.load(Path(bundle_path), requested.engine)
    writer = report(predictor.bundle)
    rows, requested, message = _answered(predictor, studies, requested, progress)
    return write_evaluation(predictor.bundle, rows, Path(out), requested, message, writer)


def evaluation_metrics(
    bundle_path: Path | str,
    studies: Sequence[Study],
    requested: EvaluationSettings = _AS_THE_BUNDLE_SAYS,
    *,
    progress: Progress | None = None,
) -> Json:
    """What `evaluate` would write to metrics.json, without writing anything. Raises as it does."""
    from ulna.runtime import Predictor

    predictor = Predictor.load(Path(bundle_path), requested.engine)
    rows, requested, message = _answered(predictor, studies, requested, progress)
    metrics = _metrics(predictor.bundle, rows, requested, message)
    # As a reader of the file has them: without NaN, names as text.
    return dict(json.loads(metrics_text(metrics)))


def _answered(
    predictor: Predictor,
    studies: Sequence[Study],
    requested: EvaluationSettings,
    progress: Progress | None,
) -> tuple[list[StudyRow], EvaluationSettings, list[str]]:
    """Rows, how they were asked for to the last detail, and what is to be said of them."""
    point = choose_operating_point(predictor.bundle, requested.operating_point or None)
    cascaded = predictor.with_cascade() if requested.cascade else None
    rows, message = collect_rows(predictor, studies, point, progress, cascaded)
    message += note_on_refused(rows) + note_on_meaning(studies, predictor.manifest, "evaluation")
    return rows, replace(requested, operating_point=point, engine=predictor.engine), message


def write_evaluation(
    bundle: ModelBundle,
    rows: Sequence[StudyRow],
    out: Path,
    requested: EvaluationSettings,
    message: Sequence[str],
    report: Report,
) -> Json:
    """Rows to the three files. said: warnings to be repeated in metrics and report.

    A file that cannot be written costs no other: OSError is raised when the others are there.
    """
    metrics = _metrics(bundle, rows, requested, message)
    out.mkdir(parents=True, exist_ok=True)
    write_each(
        lambda: write_predictions(rows, out / "predictions.csv"),
        lambda: write_metrics(metrics, out / "metrics.json"),
        lambda: report(bundle, rows, metrics, out / "report.html"),
    )
    return metrics


def _metrics(
    bundle: ModelBundle,
    rows: Sequence[StudyRow],
    requested: EvaluationSettings,
    message: Sequence[str],
) -> Json:
    check_scorable(rows, bundle)
    metrics = summarise(rows, bundle.manifest.body_parts, requested.how)
    metrics |= point_scores(rows, bundle.manifest.fusion, requested.operating_point, requested.how)
    metrics |= provenance(bundle, rows, requested)
    result = cascade_scores(rows, requested.how)
    metrics |= {} if result is None else {"cascade": result}
    sources = scores_by_source(rows, requested.how)
    metrics |= {} if sources is None else {"by_source": sources}
    metrics["no_answer"] = reasons_json(no_answer(rows))
    metrics["no_place"] = reasons_json(no_place(rows))
    metrics["warnings"] = [*message, *check_splits(rows), *_remarks(bundle, metrics)]
    return metrics


def write_each(*writers: Callable[[], object]) -> None:
    """Call every writer, whatever becomes of the others; then raise the first one's OSError."""
    failed: list[OSError] = []
    for write in writers:
        try:
            write()
        except OSError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def check_scorable(rows: Sequence[StudyRow], bundle: ModelBundle) -> None:
    """DatasetError, with reasons, unless some row has both label and answer."""
    if any(r.scored for r in rows):
        return
    reasons = "; ".join(sorted({r.fault for r in rows if r.fault})[:3])
    raise DatasetError(
        f"none of {len(rows)} studies can be scored: expected readable, labelled studies of "
        f"{', '.join(bundle.manifest.body_parts)}" + (f" ({reasons})" if reasons else "")
    )


def choose_operating_point(bundle: ModelBundle, requested: str | None) -> str:
    """`requested`, or the bundle's own; ConfigError for one that the bundle does not have."""
    known = bundle.manifest.fusion.thresholds
    point = requested or bundle.manifest.operating_point
    if known and point not in known:
        raise ConfigError(f"operating point {point!r}: the bundle has {', '.join(sorted(known))}")
    return point


def provenance(
    bundle: ModelBundle, rows: Sequence[StudyRow], requested: EvaluationSettings
) -> Json:
    """Which bundle answered which studies at which thresholds, and how intervals were made."""
    manifest, how = bundle.manifest, requested.how
    thresholds = manifest.fusion.thresholds.get(requested.operating_point, {})
    try:
        installed = version("ulna")
    except PackageNotFoundError:
        installed = "unknown"
    return {
        "format": 1,
        "ulna": installed,
        "bundle": {
            "name": manifest.name,
            "hash": bundle.hash,
            "created": manifest.created,
            "recipe": manifest.recipe.name,
            "training_data": manifest.data.kind,
            "calibrated": manifest.fusion.n_calibration_studies > 0,
        },
        "body_parts": [p.value for p in manifest.body_parts],
        "abnormal_means": manifest.abnormal_means,
        "findings_unknown": [c.value for c in unknown_categories(manifest)],
        **answered_by(bundle, requested.engine),
        "operating_point": requested.operating_point,
        "thresholds": {p.value: t for p, t in thresholds.items()},
        "intervals": {"level": 0.95, "draws": how.draws, "seed": how.seed, "over": "patients"},
        "data": _fingerprint(rows),
    }


def _fingerprint(rows: Sequence[StudyRow]) -> Json:
    """Which studies were evaluated: a hash of sorted keys, labels and image names."""
    lines = [f"{r.key}|{r.abnormal}|{sorted(i.ref.path.name for i in r.images)}" for r in rows]
    return {
        "n_studies": len(rows),
        "n_images": sum(len(r.images) for r in rows),
        "n_patients": len({r.patient_id for r in rows}),
        "sha256": lines_sha256(lines),
    }


def remarks_on(bundle: ModelBundle) -> list[str]:
    """Sentences that a reader of any of the bundle's scores must know."""
    if bundle.calibrated:
        return []
    return [
        "the bundle is not calibrated: equal weights, temperature 1 and threshold 0.5; "
        "run `ulna calibrate`"
    ]


def note_on_refused(rows: Sequence[StudyRow]) -> list[str]:
    """A sentence on the studies and images that `ulna predict` refuses, if there are any."""
    images = [i for r in rows for i in r.images]
    refused = sum(bool(i.refusal) for i in images)
    if not refused:
        return []
    studies = sum(r.refused for r in rows)
    return [
        f"{refused} of {len(images)} images and {studies} of {len(rows)} studies as a whole would "
        "be refused by `ulna predict` as no images for this bundle; they are scored all the same"
    ]


def _remarks(bundle: ModelBundle, metrics: Json) -> list[str]:
    message = remarks_on(bundle)
    for name, group in metrics["by_body_part"].items():
        if group["n_abnormal"] in (0, group["n_studies"]):
            message.append(f"{name}: its {group['n_studies']} studies are of one class only")
    return message


def write_metrics(metrics: Json, out: Path) -> None:
    """Write `metrics` as JSON with its keys in order, whole or not at all."""
    write_atomic(out, metrics_text(metrics) + "\n")


def metrics_text(metrics: Json) -> str:
    """The text of metrics.json."""
    return json.dumps(metrics, indent=1, allow_nan=False, default=str)
