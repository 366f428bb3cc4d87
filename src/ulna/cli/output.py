"""Output on stdout: JSON for programs, tables for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click


def print_json(value: object) -> None:
    """Print `value` (dataclasses, enums, paths, mappings, scalars) as JSON; NaN becomes null."""
    from ulna.config.codec import to_json

    click.echo(json.dumps(_finite(to_json(value)), indent=1, allow_nan=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    width = None if sys.stdout.isatty() else 120
    Console(file=sys.stdout, width=width).print(table)


def interval_text(score: Any, between: str = " ", sign: str = "") -> str:
    """Return '0.912 0.88 to 0.94' for {"value", "low", "high"}, or '-' without a value.

    A plain number, or a score without an interval, is formatted alone. between: separates value
    and interval. sign: '+' for differences.
    """
    value = number_of(score)
    if value is None:
        return "-"
    text = f"{value:{sign}.3f}"
    if isinstance(score, Mapping) and score.get("low") is not None:
        return f"{text}{between}{score['low']:{sign}.2f} to {score['high']:{sign}.2f}"
    return text


def number_of(score: Any) -> float | None:
    """Return the value of a score, which may be a plain number; None where there is none."""
    value = score.get("value") if isinstance(score, Mapping) else score
    return float(value) if isinstance(value, (int, float)) else None


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
