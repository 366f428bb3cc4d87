"""Predictions for images, folders and archives: the functions behind `ulna predict`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ulna.bundle import Manifest, find_bundle
from ulna.config.engine import EngineSettings
from ulna.datasets import index_paths
from ulna.errors import ConfigError, UlnaError, UlnaWarning, message_of
from ulna.experiments.progress import Progress, silent
from ulna.runtime import Predictor
from ulna.runtime.answer_json import Outcome
from ulna.runtime.pictures import folder_name, new_name, write_heat_maps
from ulna.runtime.request import HeatMaps, Routing, check_finding_maps, check_settings
from ulna.runtime.table.journal import State
from ulna.runtime.table.score import TableSettings, score_table
from ulna.types import BodyPart, Study, StudyPrediction


@dataclass(frozen=True)
class TableResult:
    """The result of `predict_table`. state: counts of its rows; not `finished` if it was stopped.

    n_studies: all studies requested. abnormal_means: what the bundle's label stands for.
    """

    state: State
    n_studies: int
    abnormal_means: str


def predict(
    paths: Sequence[Path],
    *,
    bundle: Path | None = None,
    body_part: str | None = None,
    recognise: bool = False,
    out: Path | None = None,
    finding_maps: bool = False,
    operating_point: str | None = None,
    worklist: bool = False,
    cascade: bool = False,
    engine: EngineSettings | str = "auto",
) -> Iterator[Outcome]:
    """Predict for each study at the paths: body part, abnormal or not, finding, confidence, place.

    Settings, bundle and paths are checked at once; studies are predicted one by one, in order, as
    the iterator advances. The error of a study is kept in its own outcome.

    Args:
        paths: Images, folders, DICOM objects, tables or MURA folders.
        bundle: The bundle's folder; None for the one that comes with ulna (UlnaWarning).
        body_part: What the images show, as 'WRIST'; None for the DICOM header or data folder, or
            recognition where these name none.
        recognise: Recognise the body part even where the data name it.
        out: Folder for the heat maps, one PNG for each view; None for no pictures.
        finding_maps: With `out`: a PNG of each category of finding, too.
        operating_point: One of the bundle's; None for the bundle's own.
        worklist: Whether the outcomes will be ranked (`ulna.runtime.worklist.worklist`): a bundle
            without triage is then refused at once.
        cascade: Skip experts where the first are confident.
        engine: Inference engine and precision, as 'openvino:bf16:2'.

    Returns:
        An iterator of outcomes: a study, and its answer without full-size maps, or its error.

    Raises:
        ConfigError: Options that exclude each other, or that the bundle cannot answer.
        BundleError: A bundle that is missing or damaged.
        DatasetError, ImageError: Paths without studies.

    Example::

        for outcome in predict([Path("visit")], bundle=Path("runs/demo/bundle")):
            print(outcome.study.key, outcome.error or outcome.answer.probability)
    """
    check_options(body_part, recognise, finding_maps, out)
    predictor = _predictor(bundle, engine, cascade)
    check_requested(predictor.manifest, operating_point, worklist, finding_maps)
    studies = _studies(paths, body_part)
    routing: Routing = "recognise" if recognise else "given"
    maps: HeatMaps = "findings" if finding_maps else True
    predict_study = partial(
        predictor.predict, operating_point=operating_point, body_part=routing, heat_maps=maps
    )
    return _outcomes(predict_study, studies, out, predictor.manifest.fusion.map_limit)


def predict_table(
    paths: Sequence[Path],
    table: Path,
    *,
    bundle: Path | None = None,
    body_part: str | None = None,
    recognise: bool = False,
    operating_point: str | None = None,
    error_rate: float = 0.1,
    cascade: bool = False,
    workers: int = 0,
    engine: EngineSettings | str = "auto",
    progress: Progress | None = None,
    stop: AbstractContextManager[Callable[[], bool]] | None = None,
) -> TableResult:
    """Predict for thousands of studies into one table, a row for each image, without maps.

    The table survives a kill: the same call continues it.

    Args:
        paths, bundle, body_part, recognise, operating_point, cascade, engine: As of `predict`.
        table: File to write, .csv or .parquet.
        error_rate: Of the triage, between 0 and 1: how often it may rule out the true label.
        workers: Threads that read images; 0 for half of the cores.
        progress: Called often with (stage, done, total); the stage is 'images'.
        stop: Entered when scoring begins; the function it yields is called after each batch, and
            ends the run by returning True.

    Returns:
        Counts of studies answered, refused and without an answer.

    Raises:
        ConfigError: Options that exclude each other, or a table that was begun with others.
        BundleError: A bundle that is missing or damaged.
        DependencyError: A .parquet table without the extra 'scale'.

    Example::

        result = predict_table([Path("archive")], Path("answers.csv"), bundle=Path("bundle"))
        result.state.no_answer
    """
    check_options(body_part, recognise)
    predictor = _predictor(bundle, engine, cascade)
    check_requested(predictor.manifest, operating_point)
    studies = _studies(paths, body_part)
    routing: Routing = "recognise" if recognise else "given"
    settings = TableSettings(operating_point, routing, error_rate, workers)
    on_progress = partial(progress or silent, "images")
    with stop or nullcontext(lambda: False) as stopped:
        state = score_table(predictor, studies, table, settings, on_progress, stopped)
    return TableResult(state, len(studies), predictor.manifest.abnormal_means)


def check_options(
    body_part: str | None, recognise: bool, finding_maps: bool = False, out: Path | None = None
) -> None:
    """Raise ConfigError for options of `predict` that exclude each other."""
    if recognise and body_part:
        raise ConfigError("--recognise with --body-part: expected one of them")
    if finding_maps and out is None:
        raise ConfigError("--finding-maps without --out: expected a folder for the maps")


def check_requested(
    manifest: Manifest,
    operating_point: str | None,
    worklist: bool = False,
    finding_maps: bool = False,
) -> None:
    """Raise ConfigError for requests that the bundle cannot answer, before any prediction."""
    check_settings(manifest, operating_point, "given")
    if finding_maps:
        check_finding_maps(manifest)
    if worklist and not manifest.fusion.conformal:
        raise ConfigError(
            "the bundle gives no triage (it is not calibrated, or was calibrated by an earlier "
            "version), so studies cannot be ranked: run `ulna calibrate`"
        )


def _predictor(bundle: Path | None, engine: EngineSettings | str, cascade: bool) -> Predictor:
    predictor = Predictor.load(find_bundle(bundle), EngineSettings.of(engine))
    if bundle is None:
        manifest = predictor.manifest
        kind = "a demonstration" if manifest.demonstration else manifest.name
        message = f"no --bundle: the one that comes with ulna is used ({kind})"
        warnings.warn(message, UlnaWarning, stacklevel=3)
    return predictor.with_cascade() if cascade else predictor


def _studies(paths: Sequence[Path], body_part: str | None) -> list[Study]:
    studies = index_paths(paths)
    if body_part is None:
        return studies
    return [replace(s, body_part=BodyPart.parse(body_part)) for s in studies]


def _outcomes(
    predict_study: Callable[[Study], StudyPrediction],
    studies: Sequence[Study],
    out: Path | None,
    limit: float,
) -> Iterator[Outcome]:
    """Yield the outcome of each study, in order; write maps to `out`.

    limit: the logit of the maps' last colour. An error is kept in the outcome of its study.
    """
    taken: set[str] = set()
    for study in studies:
        try:
            answer = predict_study(study)
        except Exception as error:  # one bad study among many must not end the run
            yield Outcome(study, fault=error)
            continue
        message = ""
        if out is not None:
            message = _map_error(answer, out / new_name(folder_name(answer), taken), limit)
        yield Outcome(study, _without_maps(answer), map_error=message)


def _map_error(answer: StudyPrediction, folder: Path, limit: float) -> str:
    """Write the maps; return why not all of them could be written, or ''."""
    try:
        write_heat_maps(answer, folder, limit)
    except (UlnaError, OSError) as error:
        return message_of(error)
    return ""


def _without_maps(answer: StudyPrediction) -> StudyPrediction:
    """Drop the full-size maps, which would fill the memory after thousands of studies."""
    images = tuple(replace(i, heat_map=i.grid, finding_maps={}) for i in answer.images)
    return replace(answer, images=images)
