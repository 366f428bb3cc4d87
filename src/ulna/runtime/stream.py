"""Many studies through the experts: images are read while the experts run, memory stays flat.

Three kinds of thread, each fed by a bounded queue: readers decode and prepare images, one runs
the experts, and the caller's own fuses the answers of the batch before. Image libraries, NumPy and
the engine release Python's lock.

Batches are cut from the list of studies alone, never by what happens to be ready: the engine's
last bits may depend on a batch's other images, and a list that is gone on with at the end of
a batch gives the same bits as one that was never cut off.
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

# Images that go through the experts together. On CPUs more is hardly faster, and takes memory.
BATCH = 8
# Batches whose images are read, or being read, before the experts ask for them.
_READ_AHEAD = 2
_MOST_READERS = 8

Answered = tuple[Study, StudyPrediction | UlnaError]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Steps:
    """What is done with a study, by whoever has the experts.

    names: of the experts that a study needs; raises UlnaError where it cannot be asked at all.
    run: those experts on views of any studies, which stay in order. answer: of a study whose
    experts were run. alone: where what is run depends on what a study shows (a cascade), the
    experts for the views of one whole study; one with more images than a batch gets all.
    """

    spec: InputSpec
    names: Callable[[Study], Sequence[str]]
    run: Callable[[Sequence[str], Sequence[PreparedImage]], Sequence[ImageOutputs]]
    answer: Callable[[StudyOutputs], StudyPrediction]
    alone: Callable[[Study, Sequence[PreparedImage]], Sequence[ImageOutputs]] | None = None


@dataclass(frozen=True)
class _Piece:
    """Images of a study that are in one batch. last: no more follow."""

    study: Study
    refs: tuple[ImageRef, ...]
    last: bool


@dataclass(frozen=True)
class _Reading:
    """A piece whose images are being read; `fault` says why not."""

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
        result = [future.result() for future in reading.views]
        views = tuple(v for v in result if isinstance(v, PreparedImage))
        skipped = tuple(v for v in result if not isinstance(v, PreparedImage))
        return cls(reading.piece, reading.names, views, skipped, reading.fault)


@dataclass(frozen=True)
class _Run:
    """A piece whose images went through the experts."""

    piece: _Piece
    images: tuple[ImageOutputs, ...]
    skipped: tuple[Skipped, ...]
    fault: UlnaError | None


def batches(studies: Iterable[Study]) -> Iterator[tuple[_Piece, ...]]:
    """The images of `studies` in tuples of at most BATCH.

    A study is in one batch whole, unless it has more images than a batch holds; then it begins
    one. So any batch that ends a study could as well have ended the list.
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
    """The answers for `studies` in their order, one tuple for each batch that ends a study.

    workers: threads that read; 0 for half of the cores, at most 8. An image that cannot be read
    is in its study's `skipped`; what fails of one image or study, memory too, ends nothing else.
    Raises ConfigError for a negative number of workers.
    """
    if workers < 0:
        raise ConfigError(f"{workers} workers: expected a positive number, or 0 for the default")
    return _stream(steps, studies, workers or default_workers())


def default_workers() -> int:
    """Threads that read: half of the cores that this process may use, at least 1, at most 8."""
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
    """`start(item)` of each in its turn, begun `depth` turns before it."""
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
    result = []
    for piece in batch:
        try:
            names = tuple(steps.names(piece.study))
        except UlnaError as error:
            result.append(_Reading(piece, (), (), error))
            continue
        views = tuple(readers.submit(read_view, ref, steps.spec) for ref in piece.refs)
        result.append(_Reading(piece, names, views))
    return tuple(result)


def _run(steps: Steps, batch: Sequence[_Reading]) -> tuple[_Run, ...]:
    """Wait for the images and ask the experts, once for all pieces that need the same ones."""
    ready = [_Ready.of(reading) for reading in batch]
    runs: dict[int, _Run] = {}
    for names in dict.fromkeys(r.names for r in ready):
        these = [k for k, r in enumerate(ready) if r.names == names]
        group = [ready[k] for k in these]
        try:
            runs |= zip(these, _run_together(steps, group), strict=True)
        except (ImageError, MemoryError):
            # An image read once more, for its negative, is gone or too large: whose was it?
            runs |= zip(these, [_run_alone(steps, r) for r in group], strict=True)
    return tuple(runs[k] for k in range(len(batch)))


def _run_together(steps: Steps, group: Sequence[_Ready]) -> list[_Run]:
    if steps.alone is not None:
        images = [_images(steps, r) for r in group]
        return [_Run(r.piece, i, r.skipped, r.fault) for r, i in zip(group, images, strict=True)]
    views = [v for r in group for v in r.views]
    outputs = iter(steps.run(group[0].names, views) if views else ())
    return [_Run(r.piece, tuple(next(outputs) for _ in r.views), r.skipped, r.fault) for r in group]


def _images(steps: Steps, ready: _Ready) -> tuple[ImageOutputs, ...]:
    """Of a piece by itself, by `alone` if it is the whole study."""
    if not ready.views:
        return ()
    if steps.alone is not None and ready.piece.refs == ready.piece.study.images:
        return tuple(steps.alone(ready.piece.study, ready.views))
    return tuple(steps.run(ready.names, ready.views))


def _run_alone(steps: Steps, ready: _Ready) -> _Run:
    try:
        return _run_together(steps, [ready])[0]
    except ImageError as error:
        return _Run(ready.piece, (), ready.skipped, error)
    except MemoryError as error:
        return _Run(ready.piece, (), ready.skipped, too_large(ready.piece.study, error))


def _answers(steps: Steps, held: list[_Run], runs: Iterable[_Run]) -> Iterator[Answered]:
    """The answers of the studies that end with `runs`. held: runs of the study at hand, kept."""
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
