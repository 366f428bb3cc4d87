"""Answers for images, folders and archives: what `ulna predict` calls."""

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
    """What came of a table. state: counts of its rows; not `finished` where it was stopped.

    n_studies: all that it was asked for. abnormal_means: what the bundle's label stands for.
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
    """Answer for each study at the paths: which body part, abnormal or not, what, how sure, where.

    Settings, bundle and paths are checked at once; studies are answered one by one, in order, as
    the iterator is asked. Whatever fails of one study is the fault of its own outcome.

    Args:
        paths: Images, folders, DICOM objects, tables or MURA folders.
        bundle: The bundle's folder; None for the one that comes with ulna (UlnaWarning).
        body_part: What the images show, as 'WRIST'; None for the DICOM header or data folder, else
            it is recognised.
        recognise: Never trust the given body part; look.
        out: Folder for the heat maps, one PNG for each view; None for no pictures.
        finding_maps: With `out`: a PNG of each category of finding, too.
        operating_point: One of the bundle's; None for the bundle's own.
        worklist: Whether the outcomes will be ranked (`ulna.runtime.worklist.worklist`): a bundle
            without triage is then refused at once.
        cascade: Skip experts where the first are certain.
        engine: What computes, as 'openvino:bf16:2'.

    Returns:
        An iterator of outcomes: a study, and its answer without full-size maps, or its fault.

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
    how: Routing = "recognise" if recognise else "given"
    maps: HeatMaps = "findings" if finding_maps else True
    ask = partial(predictor.predict, operating_point=operating_point, body_part=how, heat_maps=maps)
    return _ask_all(ask, studies, out, predictor.manifest.fusion.map_limit)


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
    """Answer for thousands of studies in one table, a row for each image, without maps.

    The table survives a kill: the same call goes on where it was.

    Args:
        paths, bundle, body_part, recognise, operating_point, cascade, engine: As of `predict`.
        table: File to write, .csv or .parquet.
        error_rate: Of the triage, between 0 and 1: how often it may rule out the true label.
        workers: Threads that read images; 0 for half of the cores.
        progress: Called with (stage, done, all), often; the stage is 'images'.
        stop: Entered when scoring begins; what it gives is asked after each batch whether to end.

    Returns:
        Counts of what was answered, refused and without an answer.

    Raises:
        ConfigError: Options that exclude each other, or a table that was begun with others.
        BundleError: A bundle that is missing or damaged.
        DependencyError: A .parquet table without the extra 'scale'.

    Example::

        found = predict_table([Path("archive")], Path("answers.csv"), bundle=Path("bundle"))
        found.state.no_answer
    """
    check_options(body_part, recognise)
    predictor = _predictor(bundle, engine, cascade)
    check_requested(predictor.manifest, operating_point)
    studies = _studies(paths, body_part)
    how: Routing = "recognise" if recognise else "given"
    requested = TableSettings(operating_point, how, error_rate, workers)
    tell = partial(progress or silent, "images")
    with stop or nullcontext(lambda: False) as stopped:
        state = score_table(predictor, studies, table, requested, tell, stopped)
    return TableResult(state, len(studies), predictor.manifest.abnormal_means)


def check_options(
    body_part: str | None, recognise: bool, finding_maps: bool = False, out: Path | None = None
) -> None:
    """ConfigError for options of `predict` that exclude each other."""
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
    """ConfigError for what a bundle's answers cannot have, before any is asked for."""
    check_settings(manifest, operating_point, "given")
    if finding_maps:
        check_finding_maps(manifest)
    if worklist and not manifest.fusion.conformal:
        raise ConfigError(
            "the bundle gives no triage (it is not calibrated, or was by an earlier version), "
            "so nothing can be ranked: run `ulna calibrate`"
        )


def _predictor(bundle: Path | None, engine: EngineSettings | str, cascade: bool) -> Predictor:
    predictor = Predictor.load(find_bundle(bundle), EngineSettings.of(engine))
    if bundle is None:
        manifest = predictor.manifest
        kind = "a demonstration" if manifest.demonstration else manifest.name
        message = f"no --bundle: the one that comes with ulna answers ({kind})"
        warnings.warn(message, UlnaWarning, stacklevel=3)
    return predictor.with_cascade() if cascade else predictor


def _studies(paths: Sequence[Path], body_part: str | None) -> list[Study]:
    studies = index_paths(paths)
    if body_part is None:
        return studies
    return [replace(s, body_part=BodyPart.parse(body_part)) for s in studies]


def _ask_all(
    ask: Callable[[Study], StudyPrediction],
    studies: Sequence[Study],
    out: Path | None,
    limit: float,
) -> Iterator[Outcome]:
    """What comes of each study, in order; maps go to `out`.

    limit: the logit of the maps' last colour. Whatever fails of one study is its own outcome.
    """
    taken: set[str] = set()
    for study in studies:
        try:
            answer = ask(study)
        except Exception as error:  # one odd study among many must not end them all
            yield Outcome(study, fault=error)
            continue
        message = ""
        if out is not None:
            message = _map_error(answer, out / new_name(folder_name(answer), taken), limit)
        yield Outcome(study, _without_maps(answer), map_error=message)


def _map_error(answer: StudyPrediction, folder: Path, limit: float) -> str:
    """Write the maps; why not all of them could be, or ''."""
    try:
        write_heat_maps(answer, folder, limit)
    except (UlnaError, OSError) as error:
        return message_of(error)
    return ""


def _without_maps(answer: StudyPrediction) -> StudyPrediction:
    """Thousands of studies must not keep thousands of full-size maps in memory."""
    images = tuple(replace(i, heat_map=i.grid, finding_maps={}) for i in answer.images)
    return replace(answer, images=images)
