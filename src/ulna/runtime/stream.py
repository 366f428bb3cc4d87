"""Predict many studies as a pipeline: images are read while the experts run, in constant memory.

There are three kinds of threads with bounded queues: readers decode and prepare images, one thread
runs the experts, and the caller's thread fuses the outputs of the previous batch. Image libraries,
NumPy and the engine release the GIL.

Batches depend only on the list of studies, never on timing, because the last bits of the engine's
results may depend on the other images in a batch. So a list that is resumed at the end of a batch
gives exactly the same results as an uninterrupted one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ulna.config.input_spec import InputSpec
from ulna.errors import ConfigError, ImageError, UlnaError
from ulna.machine import usable_cores
from ulna.runtime.outputs import ImageOutputs, StudyOutputs
from ulna.runtime.reading import Skipped, nothing_readable, read_view, too_large
from ulna.runtime.screen import PreparedImage
from ulna.types import ImageRef, Study, StudyPrediction

# Images per batch. On CPUs larger batches are hardly faster, and take more memory.
BATCH = 8
# Number of batches that are read ahead.
_READ_AHEAD = 2
_MOST_READERS = 8

Answered = tuple[Study, StudyPrediction | UlnaError]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Steps:
    """The steps of a prediction, provided by the owner of the experts.

    names: returns the experts that a study needs; raises UlnaError if it cannot be predicted.
    run: runs these experts on views of any studies, keeping their order. answer: fuses the outputs
    of a study. run_study: for a cascade, where the experts depend on the study: runs those needed
    for all views of one study. A study with more images than a batch uses `run` instead.
    """

    spec: InputSpec
    names: Callable[[Study], Sequence[str]]
    run: Callable[[Sequence[str], Sequence[PreparedImage]], Sequence[ImageOutputs]]
    answer: Callable[[StudyOutputs], StudyPrediction]
    run_study: Callable[[Study, Sequence[PreparedImage]], Sequence[ImageOutputs]] | None = None


@dataclass(frozen=True)
class _Piece:
    """The images of a study in one batch. last: whether they are the last of the study."""

    study: Study
    refs: tuple[ImageRef, ...]
    last: bool


@dataclass(frozen=True)
class _Reading:
    """A piece whose images are being read. fault: why they are not, or None."""

    piece: _Piece
    names: tuple[str, ...]
    views: tuple[Future[PreparedImage | Skipped], ...]
    fault: UlnaError | None = None


@dataclass(frozen=True)
class _Ready:
    """A piece whose images have been read."""

    piece: _Piece
    names: tuple[str, ...]
    views: tuple[PreparedImage, ...]
    skipped: tuple[Skipped, ...]
    fault: UlnaError | None

    @classmethod
    def of(cls, reading: _Reading) -> _Ready:
        """Wait for the readers."""
        read = [future.result() for future in reading.views]
        views = tuple(v for v in read if isinstance(v, PreparedImage))
        skipped = tuple(v for v in read if not isinstance(v, PreparedImage))
        return cls(reading.piece, reading.names, views, skipped, reading.fault)


@dataclass(frozen=True)
class _Run:
    """A piece with the outputs of the experts."""

    piece: _Piece
    images: tuple[ImageOutputs, ...]
    skipped: tuple[Skipped, ...]
    fault: UlnaError | None


def batches(studies: Iterable[Study]) -> Iterator[tuple[_Piece, ...]]:
    """Group the images of `studies` into batches of at most BATCH.

    A study is completely in one batch, unless it has more than BATCH images; it then begins a new
    batch. So the list can be resumed after any batch that ends a study.
    """
    batch: list[_Piece] = []
    room = BATCH
    for study in studies:
        refs = study.images
        if batch and len(refs) > room:
            yield tuple(batch)
            batch, room = [], BATCH
        for start in range(0, len(refs), BATCH):
            if not room:
                yield tuple(batch)
                batch, room = [], BATCH
            taken = refs[start : start + BATCH]
            batch.append(_Piece(study, taken, start + len(taken) == len(refs)))
            room -= len(taken)
    if batch:
        yield tuple(batch)


def stream(
    steps: Steps, studies: Iterable[Study], workers: int = 0
) -> Generator[tuple[Answered, ...]]:
    """Yield the predictions for `studies` in order, one tuple for each batch that ends a study.

    workers: number of reading threads; 0 for half of the cores, at most 8. Unreadable images are in
    `skipped` of their study. An error of one image or study, including lack of memory, does not
    affect the others. Raises ConfigError for a negative number of workers.
    """
    if workers < 0:
        raise ConfigError(f"{workers} workers: expected a positive number, or 0 for the default")
    return _stream(steps, studies, workers or default_workers())


def default_workers() -> int:
    """Return the number of reading threads: half of the usable cores, at least 1, at most 8."""
    return max(1, min(_MOST_READERS, usable_cores() // 2))


def _stream(
    steps: Steps, studies: Iterable[Study], workers: int
) -> Generator[tuple[Answered, ...]]:
    readers = ThreadPoolExecutor(workers, "ulna-read")
    engine = ThreadPoolExecutor(1, "ulna-experts")
    try:
        reading = _ahead(batches(studies), partial(_read, steps, readers), _READ_AHEAD)
        running = _ahead(reading, lambda batch: engine.submit(_run, steps, batch), 1)
        held: list[_Run] = []
        for batch in running:
            if answers := tuple(_answers(steps, held, batch.result())):
                yield answers
    finally:
        readers.shutdown(wait=False, cancel_futures=True)
        engine.shutdown(cancel_futures=True)
        readers.shutdown()


def _ahead(items: Iterable[Item], start: Callable[[Item], Result], depth: int) -> Iterator[Result]:
    """Yield `start(item)` of each item in order, started `depth` items ahead."""
    waiting: deque[Result] = deque()
    for item in items:
        waiting.append(start(item))
        if len(waiting) > depth:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def _read(
    steps: Steps, readers: ThreadPoolExecutor, batch: Sequence[_Piece]
) -> tuple[_Reading, ...]:
    readings = []
    for piece in batch:
        try:
            names = tuple(steps.names(piece.study))
        except UlnaError as error:
            readings.append(_Reading(piece, (), (), error))
            continue
        views = tuple(readers.submit(read_view, ref, steps.spec) for ref in piece.refs)
        readings.append(_Reading(piece, names, views))
    return tuple(readings)


def _run(steps: Steps, batch: Sequence[_Reading]) -> tuple[_Run, ...]:
    """Wait for the images and run the experts, once for all pieces that need the same ones."""
    ready = [_Ready.of(reading) for reading in batch]
    runs: dict[int, _Run] = {}
    for names in dict.fromkeys(r.names for r in ready):
        these = [k for k, r in enumerate(ready) if r.names == names]
        group = [ready[k] for k in these]
        try:
            runs |= zip(these, _run_together(steps, group), strict=True)
        except (ImageError, MemoryError):
            # Rereading an image for its negative failed. Run the pieces singly to find which one.
            runs |= zip(these, [_run_single(steps, r) for r in group], strict=True)
    return tuple(runs[k] for k in range(len(batch)))


def _run_together(steps: Steps, group: Sequence[_Ready]) -> list[_Run]:
    if steps.run_study is not None:
        images = [_images(steps, r) for r in group]
        return [_Run(r.piece, i, r.skipped, r.fault) for r, i in zip(group, images, strict=True)]
    views = [v for r in group for v in r.views]
    outputs = iter(steps.run(group[0].names, views) if views else ())
    return [_Run(r.piece, tuple(next(outputs) for _ in r.views), r.skipped, r.fault) for r in group]


def _images(steps: Steps, ready: _Ready) -> tuple[ImageOutputs, ...]:
    """Run a single piece, by `run_study` if it is the whole study."""
    if not ready.views:
        return ()
    if steps.run_study is not None and ready.piece.refs == ready.piece.study.images:
        return tuple(steps.run_study(ready.piece.study, ready.views))
    return tuple(steps.run(ready.names, ready.views))


def _run_single(steps: Steps, ready: _Ready) -> _Run:
    try:
        return _run_together(steps, [ready])[0]
    except ImageError as error:
        return _Run(ready.piece, (), ready.skipped, error)
    except MemoryError as error:
        return _Run(ready.piece, (), ready.skipped, too_large(ready.piece.study, error))


def _answers(steps: Steps, held: list[_Run], runs: Iterable[_Run]) -> Iterator[Answered]:
    """Yield the predictions of studies that end in `runs`. held: runs of an unfinished study."""
    for run in runs:
        held.append(run)
        if run.piece.last:
            yield run.piece.study, _answer(steps, held)
            held.clear()


def _answer(steps: Steps, runs: Sequence[_Run]) -> StudyPrediction | UlnaError:
    study = runs[0].piece.study
    fault = next((r.fault for r in runs if r.fault is not None), None)
    if fault is not None:
        return fault
    images = tuple(image for run in runs for image in run.images)
    skipped = tuple(reason for run in runs for reason in run.skipped)
    if not images:
        return nothing_readable(study, skipped)
    try:
        return steps.answer(StudyOutputs(study, images, skipped))
    except UlnaError as error:
        return error
    except MemoryError as error:
        return too_large(study, error)
