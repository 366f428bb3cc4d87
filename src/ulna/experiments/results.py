"""The files of an evaluation: checked before work begins, read when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ulna.atomic_file import PARTIAL
from ulna.errors import ConfigError
from ulna.json_text import parse_json

EVALUATION_FILES = ("predictions.csv", "metrics.json", "report.html")
"""The files that `evaluate` writes, apart from its receipt."""


def check_outputs(out: Path, *names: str) -> None:
    """Raise ConfigError for a folder in place of an output file, before any work is done."""
    for name in names:
        for path in (out / name, out / f"{name}{PARTIAL}"):
            if path.is_dir():
                raise ConfigError(
                    f"{path} is a folder: expected a file or nothing, since {name} is written "
                    "there: move it, or give another --out"
                )


def read_metrics(out: Path) -> Mapping[str, Any]:
    """Read the `metrics.json` that `evaluate` wrote to `out`."""
    metrics: Mapping[str, Any] = parse_json((out / "metrics.json").read_text(encoding="utf-8"))
    return metrics
