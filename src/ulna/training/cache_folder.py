"""The folder of decoded images: complete entries that several runs share.

Each input has an entry of its own, named by its fingerprint. An entry is created under a lock, in a
folder of another name, and renamed when it is complete. A process that reads an entry holds a lease
on it (a shared lock on its note). Creating an entry first removes unfinished ones of killed
processes, and entries without a reader that were not opened for a day.
"""

from __future__ import annotations

import errno
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
from ulna.json_text import parse_json

if sys.platform != "win32":
    import fcntl

Progress = Callable[[str, int, int], None]
NOTE = "done.json"
KEY_DIGITS = 20
_PARTIAL, _LOCK, _REMOVED = ".partial", ".lock", ".removed"
_OURS = re.compile(f"[0-9a-f]{{{KEY_DIGITS}}}")
_IDLE_SECONDS = 24 * 3600
# Files of early releases, whose folder held one input only.
_BEFORE_ENTRIES = ("images.npy", "masks.npy", NOTE)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Errors of file systems that cannot reserve space.
_NOT_OFFERED = {errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class Lease:
    """Keeps an entry from being removed for as long as this object lives."""

    def __init__(self, descriptor: int) -> None:
        weakref.finalize(self, os.close, descriptor)


def open_entry(folder: Path, key: str) -> tuple[dict[str, Any], Lease] | None:
    """Return the note of the entry `key` and a lease on it, or None where it is not complete.

    key: KEY_DIGITS hexadecimal digits. Needs no permission to write.
    """
    file = folder / key / NOTE
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    lease = Lease(descriptor)
    _flock(descriptor, shared=True)
    try:
        # Read by name: the entry may have been removed while this process waited for the lease.
        note = parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    # The time of the last use cannot be recorded for another user or on a read-only disk.
    with suppress(OSError):
        os.utime(file)
    return (note, lease) if isinstance(note, dict) else None


@contextmanager
def creation_lock(folder: Path, key: str, progress: Progress | None) -> Iterator[None]:
    """Keep other processes from creating the entry `key`; wait for one that does."""
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
    """Yield a folder to write, which becomes the entry `key` unless an exception is raised.

    The caller must hold `creation_lock`.
    """
    _remove_unused(folder, key)
    partial = folder / (key + _PARTIAL)
    for left in (partial, folder / key):  # an entry without a readable note is not usable
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        partial.rename(folder / key)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def reserve(file: Path, size: int) -> None:
    """Reserve disk space for the `size` bytes of `file`, which exists.

    Writing to a memory-mapped file without allocated blocks kills the process without a message
    when the disk is full. Raises TrainingError where there is too little space.
    """
    try:
        if not _allocate(file, size) and shutil.disk_usage(file.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise TrainingError(
            f"{file.parent.parent}: the decoded images need {size / 1e9:.2g} GB "
            f"({error.strerror}): free some space, or choose a folder on another disk"
        ) from None


def _allocate(file: Path, size: int) -> bool:
    """Return whether the system has reserved the space; False where it does not support this."""
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


def _remove_unused(folder: Path, key: str) -> None:
    """Remove unused entries of Ulna from `folder`; files that Ulna did not create stay."""
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
    """Remove the entry of a killed process, not one that a running process is creating."""
    lock = FileLock(folder / f"{partial.stem}{_LOCK}")
    try:
        with lock.acquire(blocking=False):
            shutil.rmtree(partial, ignore_errors=True)
    except Timeout:
        return


def _remove_idle(entry: Path) -> None:
    """Remove an entry that has no reader and was not opened for a day."""
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
    """Lock the file and return whether it worked: shared (waits), or exclusive (does not wait).

    Windows has no such locks and needs none: it removes no file that is open.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by a reader, or a file system without locks: nothing is removed there
        return False
    return True
