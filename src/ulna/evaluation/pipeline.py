"""Score a bundle on labelled studies: metrics.json, predictions.csv and report.html."""

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
from ulna.evaluation.meaning import warn_of_meaning
from ulna.evaluation.point_scores import point_scores
from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Json, Resampling
from ulna.evaluation.source_scores import scores_by_source
from ulna.evaluation.summary import summarise
from ulna.evaluation.table import write_predictions
from ulna.evaluation.unanswered import no_answer, no_place, reasons_json
from ulna.json_text import parse_json
from ulna.runtime.findings import unknown_categories
from ulna.types import Study

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle
    from ulna.runtime import Predictor

Progress = Callable[[int, int], None]
Report = Callable[["ModelBundle", Sequence[StudyRow], Json, Path], None]
"""A function that writes report.html from (bundle, rows, metrics, file)."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of an evaluation, which determine the scores of a bundle on given studies.

    operating_point is one of the bundle's, '' for its default. resampling is the bootstrap of the
    intervals. cascade also runs the bundle's cascade and scores it (docs/cascade.md).
    """

    operating_point: str = ""
    resampling: Resampling = field(default_factory=Resampling)
    engine: EngineSettings = PORTABLE
    cascade: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "evaluation")


_DEFAULTS = EvaluationSettings()


def evaluate(
    bundle_path: Path | str,
    studies: Sequence[Study],
    out: Path | str,
    settings: EvaluationSettings = _DEFAULTS,
    *,
    report: Callable[[ModelBundle], Report],
    progress: Progress | None = None,
) -> Json:
    """Score the bundle on `studies`, write three files into `out` and return the metrics.

    `report` is called with the bundle before any study is read, and returns the writer of
    report.html (see `report.writers`). progress(done, total) counts studies. Studies without a
    label are predicted and counted but not scored. Unreadable studies are counted and listed.
    Raises DatasetError where no study can be scored, ConfigError for an unknown operating point,
    and BundleError for a bundle that cannot be loaded.
    """
    from ulna.runtime import Predictor

    predictor = Predictor.load(Path(bundle_path), settings.engine)
    writer = report(predictor.bundle)
    rows, settings, notes = _answered(predictor, studies, settings, progress)
    return write_evaluation(predictor.bundle, rows, Path(out), settings, notes, writer)


def evaluation_metrics(
    bundle_path: Path | str,
    studies: Sequence[Study],
    settings: EvaluationSettings = _DEFAULTS,
    *,
    progress: Progress | None = None,
) -> Json:
    """Return the content of `evaluate`'s metrics.json without writing files. Raises likewise."""
    from ulna.runtime import Predictor

    predictor = Predictor.load(Path(bundle_path), settings.engine)
    rows, settings, notes = _answered(predictor, studies, settings, progress)
    metrics = _metrics(predictor.bundle, rows, settings, notes)
    # The same values as read from the file, without NaN and with names as text.
    return dict(parse_json(_metrics_text(metrics)))


def _answered(
    predictor: Predictor,
    studies: Sequence[Study],
    settings: EvaluationSettings,
    progress: Progress | None,
) -> tuple[list[StudyRow], EvaluationSettings, list[str]]:
    """Return rows, the settings with defaults resolved, and warnings for metrics and report."""
    point = choose_operating_point(predictor.bundle, settings.operating_point or None)
    cascaded = predictor.with_cascade() if settings.cascade else None
    rows, notes = collect_rows(predictor, studies, point, progress, cascaded)
    notes += note_on_refusals(rows) + warn_of_meaning(studies, predictor.manifest, "evaluation")
    return rows, replace(settings, operating_point=point, engine=predictor.engine), notes


def write_evaluation(
    bundle: ModelBundle,
    rows: Sequence[StudyRow],
    out: Path,
    settings: EvaluationSettings,
    notes: Sequence[str],
    report: Report,
) -> Json:
    """Write the three files; `notes` are warnings to be repeated in metrics and report.

    If a file cannot be written, OSError is raised after the others are written.
    """
    metrics = _metrics(bundle, rows, settings, notes)
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
    settings: EvaluationSettings,
    notes: Sequence[str],
) -> Json:
    check_scorable(rows, bundle)
    metrics = summarise(rows, bundle.manifest.body_parts, settings.resampling)
    metrics |= point_scores(
        rows, bundle.manifest.fusion, settings.operating_point, settings.resampling
    )
    metrics |= provenance(bundle, rows, settings)
    cascade = cascade_scores(rows, settings.resampling)
    metrics |= {} if cascade is None else {"cascade": cascade}
    sources = scores_by_source(rows, settings.resampling)
    metrics |= {} if sources is None else {"by_source": sources}
    metrics["no_answer"] = reasons_json(no_answer(rows))
    metrics["no_place"] = reasons_json(no_place(rows))
    metrics["warnings"] = [*notes, *check_splits(rows), *_remarks(bundle, metrics)]
    return metrics


def write_each(*writers: Callable[[], object]) -> None:
    """Call every writer, even if others fail, and then raise the first OSError."""
    failed: list[OSError] = []
    for write in writers:
        try:
            write()
        except OSError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def check_scorable(rows: Sequence[StudyRow], bundle: ModelBundle) -> None:
    """Raise DatasetError, with reasons, unless some row has both label and answer."""
    if any(r.scored for r in rows):
        return
    reasons = "; ".join(sorted({r.fault for r in rows if r.fault})[:3])
    raise DatasetError(
        f"none of {len(rows)} studies can be scored: expected readable, labelled studies of "
        f"{', '.join(bundle.manifest.body_parts)}" + (f" ({reasons})" if reasons else "")
    )


def choose_operating_point(bundle: ModelBundle, requested: str | None) -> str:
    """Return `requested` or the bundle's default. Raises ConfigError for an unknown point."""
    known = bundle.manifest.fusion.thresholds
    point = requested or bundle.manifest.operating_point
    if known and point not in known:
        raise ConfigError(f"operating point {point!r}: the bundle has {', '.join(sorted(known))}")
    return point


def provenance(bundle: ModelBundle, rows: Sequence[StudyRow], settings: EvaluationSettings) -> Json:
    """Return bundle, thresholds, engine, bootstrap and fingerprint of the data for metrics.json."""
    manifest, resampling = bundle.manifest, settings.resampling
    thresholds = manifest.fusion.thresholds.get(settings.operating_point, {})
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
        **answered_by(bundle, settings.engine),
        "operating_point": settings.operating_point,
        "thresholds": {p.value: t for p, t in thresholds.items()},
        "intervals": {
            "level": 0.95,
            "draws": resampling.draws,
            "seed": resampling.seed,
            "over": "patients",
        },
        "data": _fingerprint(rows),
    }


def _fingerprint(rows: Sequence[StudyRow]) -> Json:
    """Return the counts of the evaluated studies, and a hash of keys, labels and image names."""
    lines = [f"{r.key}|{r.abnormal}|{sorted(i.ref.path.name for i in r.images)}" for r in rows]
    return {
        "n_studies": len(rows),
        "n_images": sum(len(r.images) for r in rows),
        "n_patients": len({r.patient_id for r in rows}),
        "sha256": lines_sha256(lines),
    }


def remarks_on(bundle: ModelBundle) -> list[str]:
    """Return sentences that apply to any score of the bundle."""
    if bundle.calibrated:
        return []
    return [
        "the bundle is not calibrated: equal weights, temperature 1 and threshold 0.5; "
        "run `ulna calibrate`"
    ]


def note_on_refusals(rows: Sequence[StudyRow]) -> list[str]:
    """Return a sentence on the studies and images that `ulna predict` refuses, if any."""
    images = [i for r in rows for i in r.images]
    refused = sum(bool(i.refusal) for i in images)
    if not refused:
        return []
    studies = sum(r.refused for r in rows)
    return [
        f"{refused} of {len(images)} images and {studies} of {len(rows)} studies as a whole would "
        "be refused by `ulna predict` as out of distribution for this bundle; they are scored too"
    ]


def _remarks(bundle: ModelBundle, metrics: Json) -> list[str]:
    notes = remarks_on(bundle)
    for name, group in metrics["by_body_part"].items():
        if group["n_abnormal"] in (0, group["n_studies"]):
            notes.append(f"{name}: its {group['n_studies']} studies are of one class only")
    return notes


def write_metrics(metrics: Json, out: Path) -> None:
    """Write `metrics` as JSON with its keys in order, in one atomic step."""
    write_atomic(out, _metrics_text(metrics) + "\n")


def _metrics_text(metrics: Json) -> str:
    """Return the text of metrics.json."""
    return json.dumps(metrics, indent=1, allow_nan=False, default=str)
