"""The files that an evaluation writes: looked at before work begins, read when it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ulna.atomic_file import PARTIAL
from ulna.errors import ConfigError

EVALUATION_FILES = ("predictions.csv", "metrics.json", "report.html")
"""What `evaluate` writes beside its receipt."""


def check_outputs(out: Path, *names: str) -> None:
    """ConfigError for a folder in place of a file that will be written, before any work is done."""
    for name in names:
        for path in (out / name, out / f"{name}{PARTIAL}"):
            if path.is_dir():
                raise ConfigError(
                    f"{path}: is a folder: expected a file, or nothing, where {name} is written: "
                    "move it, or give another --out"
                )


def read_metrics(out: Path) -> Mapping[str, Any]:
    """What `evaluate` wrote to `out/metrics.json`."""
    metrics: Mapping[str, Any] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return metrics
