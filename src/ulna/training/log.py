"""The log of one expert's training: a CSV file, one row per epoch."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path


def write_log(history: Sequence[dict[str, float]], folder: Path) -> None:
    """One row per epoch in `folder/log.csv`, written whole so that a resume repeats no row."""
    if not history:
        return
    partial = folder / "log.csv.partial"
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
    partial.replace(folder / "log.csv")
