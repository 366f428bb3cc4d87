"""The log of one expert's training: a CSV file, one row per epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ulna.atomic_file import write_atomic


def write_log(history: Sequence[dict[str, float]], folder: Path) -> None:
    """Write one row per epoch to `folder/log.csv`, as a whole so that a resume repeats no row."""
    if not history:
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(history[0]))
    writer.writeheader()
    writer.writerows(history)
    write_atomic(folder / "log.csv", text.getvalue().encode())
