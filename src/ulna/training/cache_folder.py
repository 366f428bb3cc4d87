"""The folder that decoded images lie in: entries that are whole, and that several runs share.

Each input has an entry of its own, named by its fingerprint. It is made under a lock, in a folder
of another name, and renamed when it is complete. Who reads an entry holds a lease on it (a shared
lock on its note). A new entry makes room: what a kill left unfinished, and entries that nobody
reads and nobody has opened for a day, are removed.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ulna.errors import TrainingError

if sys.platform != "win32":
    import fcntl

Progress = Callable[[str, int, int], None]
NOTE = "done.json"
KEY_DIGITS = 20
_PARTIAL, _LOCK, _REMOVED = ".partial", ".lock", ".removed"
_OURS = re.compile(f"[0-9a-f]{{{KEY_DIGITS}}}")
_IDLE_SECONDS = 24 * 3600
# Files of releases whose folder held one input only.
_BEFORE_ENTRIES = ("images.npy", "masks.npy", NOTE)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Of file systems that cannot reserve room for a file.
_NOT_OFFERED = {errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class Lease:
    """Keeps an entry from being removed, for as long as this object lives."""

    def __init__(self, descriptor: int) -> None:
        weakref.finalize(self, os.close, descriptor)


def open_entry(folder: Path, key: str) -> tuple[dict[str, Any], Lease] | None:
    """The note of the entry `key` of `folder`, and a lease on it; None where it is not whole.

    key: KEY_DIGITS hexadecimal digits. Needs no right to write.
    """
    file = folder / key / NOTE
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    lease = Lease(descriptor)
    _flock(descriptor, shared=True)
    try:
        # Read by name: who waited for the lease may have waited for the entry's removal.
        note = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    # Of another user, or on a disk that is read-only, it cannot say when it was read last.
    with suppress(OSError):
        os.utime(file)
    return (note, lease) if isinstance(note, dict) else None


@contextmanager
def only_maker(folder: Path, key: str, progress: Progress | None) -> Iterator[None]:
    """No other process makes the entry `key` meanwhile; waits for one that does."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{key}{_LOCK}")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if progress:
            progress("wait for another run", 0, 1)
        lock.acquire()
        if progress:
            progress("wait for another run", 1, 1)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def new_entry(folder: Path, key: str) -> Iterator[Path]:
    """A folder to put the entry `key` into, which becomes the entry if nothing is raised.

    The caller is `only_maker` of it.
    """
    _make_room(folder, key)
    partial = folder / (key + _PARTIAL)
    for left in (partial, folder / key):  # an entry without a usable note is none
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        partial.rename(folder / key)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def reserve(file: Path, size: int) -> None:
    """Claim the disk's room for the `size` bytes of `file`, which exists.

    A map of a file without its blocks ends the process when the disk is full, without a word.
    Raises TrainingError where there is too little room.
    """
    try:
        if not _allocate(file, size) and shutil.disk_usage(file.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise TrainingError(
            f"{file.parent.parent}: the decoded images need {size / 1e9:.2g} GB "
            f"({error.strerror}): free some space, or give a folder on another disk"
        ) from None


def _allocate(file: Path, size: int) -> bool:
    """Whether the system has reserved the room; False where it offers no such thing."""
    if not hasattr(os, "posix_fallocate"):
        return False
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno in _NOT_OFFERED:
            return False
        raise
    finally:
        os.close(descriptor)
    return True


def _make_room(folder: Path, key: str) -> None:
    """Remove what nobody needs; what Ulna did not make stays, whatever folder was given."""
    before = [folder / name for name in _BEFORE_ENTRIES]
    if all(file.is_file() for file in before):
        for file in before:
            file.unlink(missing_ok=True)  # another run may make room at the same time
    for other in folder.iterdir():
        made = other.is_dir() and _OURS.fullmatch(other.stem)
        if not made or other.name in (key, key + _PARTIAL):
            continue
        if other.suffix == _REMOVED:
            shutil.rmtree(other, ignore_errors=True)
        elif other.suffix == _PARTIAL:
            _remove_unfinished(folder, other)
        elif (other / NOTE).is_file():
            _remove_idle(other)


def _remove_unfinished(folder: Path, partial: Path) -> None:
    """What a killed process left; not what a living one is making."""
    lock = FileLock(folder / f"{partial.stem}{_LOCK}")
    try:
        with lock.acquire(blocking=False):
            shutil.rmtree(partial, ignore_errors=True)
    except Timeout:
        return


def _remove_idle(entry: Path) -> None:
    """Remove an entry that nobody reads, and that nobody has opened for a day."""
    try:
        if time.time() - (entry / NOTE).stat().st_mtime < _IDLE_SECONDS:
            return
        descriptor = os.open(entry / NOTE, os.O_RDONLY)
    except OSError:
        return
    lease = Lease(descriptor)
    if not _flock(descriptor, shared=False):
        return
    removed = entry.with_suffix(_REMOVED)
    try:
        entry.rename(removed)  # where open files cannot be removed, this fails as a whole
    except OSError:
        return
    shutil.rmtree(removed, ignore_errors=True)
    del lease


def _flock(descriptor: int, shared: bool) -> bool:
    """Lock the file: for reading (waits), or for its removal (does not); whether that went well.

    Windows has no such locks and needs none: it removes no file that is open.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by a reader, or a file system without locks: nothing is removed there
        return False
    return True
