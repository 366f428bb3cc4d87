"""SHA-256 of files and of lists of lines, for manifests, runs and receipts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def file_sha256(file: Path) -> str:
    """Return the hexadecimal SHA-256 of the file's bytes. Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def lines_sha256(lines: Iterable[str]) -> str:
    """Return the hexadecimal SHA-256 of the lines, sorted, so that their order does not matter.

    Bytes of a file name that are not UTF-8 are hashed as `\\udcXX`.
    """
    text = "\n".join(sorted(lines))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
