"""The journal of a table: its settings and progress, from which it can be resumed.

The first line contains the settings, every other line a state of the table that is safely on disk.
Rows are written and synced before the line that counts them. So after a kill at any moment the
last complete line is correct, and rows beyond it are removed and scored again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import BinaryIO

from ulna.config.codec import from_json, to_json
from ulna.errors import ConfigError
from ulna.json_text import parse_json


@dataclass(frozen=True)
class Settings:
    """The settings that determine the rows of a table.

    format: version of journal and columns. ulna: version of the package. bundle: its hash. engine:
    as text. body_part: 'given' or 'recognise'. cascade: whether experts may be skipped. inputs:
    SHA-256 of the list of images with their studies, paths, view positions, order and sizes.
    """

    format: int
    ulna: str
    bundle: str
    engine: str
    operating_point: str
    body_part: str
    cascade: bool
    error_rate: float
    studies: int
    images: int
    inputs: str

    def difference(self, other: Settings) -> str:
        """Describe the differences to `other`; '' if there are none."""
        both = [(f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        return "; ".join(f"{name} {a} there, {b} now" for name, a, b in both if a != b)


@dataclass(frozen=True)
class State:
    """The committed state of a table. bytes: size of its rows. The others count what was scored.

    no_answer: studies without a prediction; refused and abnormal count the others. unreadable:
    unreadable images of studies with a prediction. finished: the table is complete.
    """

    studies: int = 0
    images: int = 0
    bytes: int = 0
    abnormal: int = 0
    refused: int = 0
    no_answer: int = 0
    unreadable: int = 0
    finished: bool = False


class Journal:
    """An open journal, created by `open_journal`."""

    def __init__(self, stream: BinaryIO, settings: Settings, state: State) -> None:
        self._stream = stream
        self.settings = settings
        self.state = state

    def commit(self, state: State) -> None:
        """Record `state`, which must be on disk already."""
        self._stream.write(_line(asdict(state)))
        _sync(self._stream)
        self.state = state


@contextmanager
def open_journal(path: Path, settings: Settings, table: Path) -> Iterator[Journal]:
    """Open or create the journal at `path` and lock it.

    If its `table` was finished and is gone since, the journal starts again. Raises ConfigError if
    it was begun with other settings or by another version, or is locked by another process.
    """
    with path.open("a+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"{path}: another `ulna predict --table` writes this table: wait for its end, or "
                "name another table"
            ) from None
        begun, state, whole = _read(path, stream)
        if state.finished and not table.exists():
            begun, state, whole = None, State(), 0
        stream.truncate(whole)  # a line that a kill cut short
        if begun is None:
            stream.write(_line(to_json(settings)))
            _sync(stream)
            sync_folder(path.parent)
        elif message := begun.difference(settings):
            raise ConfigError(
                f"{path}: this table was begun with other settings: {message}; use the same, "
                "name another table, or remove what is there of this one"
            )
        yield Journal(stream, settings, state)


def sync_folder(folder: Path) -> None:
    """Sync `folder`, so that new names in it survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path, stream: BinaryIO) -> tuple[Settings | None, State, int]:
    """Return settings, last state, and the length of the complete lines in bytes."""
    stream.seek(0)
    lines = [line for line in stream.readlines() if line.endswith(b"\n")]
    try:
        settings = from_json(Settings, parse_json(lines[0])) if lines else None
        state = from_json(State, parse_json(lines[-1])) if len(lines) > 1 else State()
    except (ValueError, ConfigError) as error:
        raise ConfigError(
            f"{path}: not a journal of this version ({error}): remove it and what is there of its "
            "table, or name another table"
        ) from None
    return settings, state, sum(map(len, lines))


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
