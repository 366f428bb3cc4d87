"""Score studies into a table: begin or resume it, commit regularly, and finish it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import ulna
from ulna.config.bounds import Bounds, Share, check_fields
from ulna.config.engine import MOST_THREADS
from ulna.digest import lines_sha256
from ulna.errors import ConfigError, UlnaError
from ulna.runtime.request import Routing, check_settings
from ulna.runtime.stream import Answered
from ulna.runtime.table.columns import Stamp, rows_of
from ulna.runtime.table.journal import (
    Journal,
    Settings,
    State,
    open_journal,
    sync_folder,
)
from ulna.runtime.table.parquet import require_pyarrow, write_parquet
from ulna.runtime.table.rows_file import open_rows
from ulna.types import Study, triage_of

if TYPE_CHECKING:
    from ulna.runtime.predictor import Predictor

FORMAT = 3
COMMIT_SECONDS = 2.0
"""Work of at most this time, and one batch, is repeated after a kill."""


@dataclass(frozen=True)
class TableSettings:
    """The settings of a table, as of `Predictor.stream`. error_rate: of the triage."""

    operating_point: str | None = None
    body_part: Routing = "given"
    error_rate: Share = 0.1
    workers: Annotated[int, Bounds(0, MOST_THREADS)] = 0

    def __post_init__(self) -> None:
        check_fields(self, "table")


_DEFAULTS = TableSettings()


@dataclass(frozen=True)
class TableFiles:
    """The files of a table: the table itself, and those of an unfinished one."""

    out: Path

    def __post_init__(self) -> None:
        if self.out.suffix.lower() not in (".csv", ".parquet"):
            raise ConfigError(f"table {self.out}: expected a name that ends in .csv or .parquet")
        if self.out.is_dir():
            raise ConfigError(f"table {self.out}: is a folder: expected the name of a file")

    @property
    def journal(self) -> Path:
        """Settings and progress; kept after the table is finished."""
        return self.out.with_name(self.out.name + ".journal")

    @property
    def rows(self) -> Path:
        """The rows so far, as CSV."""
        return self.out.with_name(self.out.name + ".partial")

    @property
    def is_parquet(self) -> bool:
        """Whether the table's suffix is .parquet."""
        return self.out.suffix.lower() == ".parquet"

    def check_beginnings(self) -> None:
        """Raise ConfigError if there are files of the table without a journal."""
        if self.journal.exists():
            return
        for path in (self.out, self.rows):
            if path.exists():
                raise ConfigError(
                    f"{path}: is there already, without a journal that says what it was made of: "
                    "remove it, or name another table"
                )

    def finish(self) -> None:
        """Convert the complete rows to the final table; can be repeated after a kill.

        Raises ConfigError if both rows and table are missing.
        """
        if not self.rows.exists() and not self.out.exists():
            raise ConfigError(
                f"{self.rows}: gone, but {self.journal} counts its rows: remove that too and "
                "begin again"
            )
        if self.is_parquet and self.rows.exists():
            write_parquet(self.rows, self.out)
            sync_folder(self.out.parent)
            self.rows.unlink()
        elif self.rows.exists():
            self.rows.replace(self.out)
        sync_folder(self.out.parent)


def table_files(out: Path) -> TableFiles:
    """Return the files of the table `out`. Raises ConfigError for its name, DependencyError."""
    files = TableFiles(out)
    if files.is_parquet:
        require_pyarrow()
    return files


def score_table(
    predictor: Predictor,
    studies: Sequence[Study],
    out: Path,
    requested: TableSettings = _DEFAULTS,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    commit_seconds: float = COMMIT_SECONDS,
) -> State:
    """Score `studies` into the table `out` (.csv or .parquet), or resume it.

    The table has one row for each image, in the order of `studies` (`ulna.runtime.table.columns`).
    It is `out`.partial with `out`.journal until it is complete. The same call resumes it after a
    kill, and does nothing if it is finished. progress(done, total) counts images. stop: called
    after each batch; True interrupts, and the returned state is then not finished. Raises
    ConfigError for no studies, for other settings than the table was begun with and for a file in
    the way, and DependencyError for .parquet without pyarrow.
    """
    files = table_files(out)
    if not studies:
        raise ConfigError(f"table {out}: no studies: expected at least one to score")
    settings = _settings(predictor, studies, requested)
    out.parent.mkdir(parents=True, exist_ok=True)
    files.check_beginnings()
    with open_journal(files.journal, settings, out) as journal:
        if journal.state.finished:
            return journal.state
        if journal.state.studies < len(studies):
            if out.exists():
                raise ConfigError(f"{out}: is there, but not all studies are scored: remove it")
            source = predictor.stream(
                studies[journal.state.studies :],
                requested.operating_point,
                requested.body_part,
                workers=requested.workers,
            )
            with closing(source):
                _append(journal, files, source, _Pace(commit_seconds, stop, progress))
        if journal.state.studies == len(studies):
            files.finish()
            journal.commit(replace(journal.state, finished=True))
        return journal.state


@dataclass(frozen=True)
class _Pace:
    commit_seconds: float
    stop: Callable[[], bool]
    progress: Callable[[int, int], None] | None


def _append(
    journal: Journal, files: TableFiles, source: Iterable[Sequence[Answered]], pace: _Pace
) -> None:
    """Append and regularly commit the rows of `source`, until its end or a stop."""
    settings, state = journal.settings, journal.state
    stamp = Stamp(settings.operating_point, settings.error_rate, settings.bundle)
    committed = time.monotonic()
    with open_rows(files.rows, state.bytes) as rows:
        for batch in _with_progress(source, state.images, settings.images, pace.progress):
            rows.write(row for answered in batch for row in rows_of(answered, stamp))
            state = _counted(state, batch)
            stopped = pace.stop()
            if stopped or time.monotonic() - committed >= pace.commit_seconds:
                state = replace(state, bytes=rows.sync())
                journal.commit(state)
                committed = time.monotonic()
            if stopped:
                return
        if state.studies > journal.state.studies:
            journal.commit(replace(state, bytes=rows.sync()))


def _with_progress(
    source: Iterable[Sequence[Answered]],
    done: int,
    total: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Sequence[Answered]]:
    """Yield the batches of `source`, reporting progress after each was processed."""
    if progress is not None:
        progress(done, total)
    for batch in source:
        yield batch
        done += sum(len(study.images) for study, _ in batch)
        if progress is not None:
            progress(done, total)


def _counted(state: State, batch: Sequence[Answered]) -> State:
    answers = [a for _, a in batch if not isinstance(a, UlnaError)]
    return replace(
        state,
        studies=state.studies + len(batch),
        images=state.images + sum(len(study.images) for study, _ in batch),
        abnormal=state.abnormal + sum(a.abnormal and not a.refused for a in answers),
        refused=state.refused + sum(bool(a.refused) for a in answers),
        no_answer=state.no_answer + len(batch) - len(answers),
        unreadable=state.unreadable + sum(len(a.skipped) for a in answers),
    )


def _settings(predictor: Predictor, studies: Sequence[Study], requested: TableSettings) -> Settings:
    check_settings(predictor.manifest, requested.operating_point, requested.body_part)
    triage_of(0.5, 0.5, requested.error_rate)  # raises ConfigError for an impossible rate
    listed = (  # repr, because a file name may contain bytes that are not UTF-8
        f"{place} {view} {study.key!r} {str(ref.path)!r} {ref.view!r} {_size(ref.path)}"
        for place, study in enumerate(studies)
        for view, ref in enumerate(study.images)
    )
    return Settings(
        format=FORMAT,
        ulna=ulna.__version__,
        bundle=predictor.bundle.hash,
        engine=str(predictor.engine),
        operating_point=requested.operating_point or predictor.manifest.operating_point,
        body_part=requested.body_part,
        cascade=predictor.cascades,
        error_rate=requested.error_rate,
        studies=len(studies),
        images=sum(len(s.images) for s in studies),
        inputs=lines_sha256(listed),
    )


def _size(path: Path) -> int:
    """The size in bytes; -1 for an inaccessible file, whose row will state the error."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1
