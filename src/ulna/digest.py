"""SHA-256 of files and of lists, as manifests, runs and receipts name them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def file_sha256(file: Path) -> str:
    """Hexadecimal SHA-256 of the file's bytes. Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def lines_sha256(lines: Iterable[str]) -> str:
    """Hexadecimal SHA-256 of the lines in ascending order: what is hashed has no order.

    Bytes of a file's name that are no UTF-8 count as `\\udcXX`.
    """
    text = "\n".join(sorted(lines))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
