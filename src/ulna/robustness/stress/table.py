"""Write stress.csv: every measure of stress.json, one per row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ulna.atomic_file import csv_bytes, write_atomic
from ulna.evaluation.scores import Json

COLUMNS = ("part", "name", "group", "measure", "value", "low", "high", "n", "n_abnormal")
Cells = dict[str, object]


def write_table(result: Json, out: Path) -> None:
    """Write one row for each measure with its interval. The file is written whole or not at all.

    part: clean, corruption, leave_one_view_out, subgroup_study or subgroup_image. name and group:
    the corruption and its severity, or the grouping and its group.
    """
    write_atomic(out, csv_bytes(COLUMNS, _lines(result)))


def _lines(result: Json) -> Iterator[Cells]:
    sample = {"n": result["sample"]["n_studies"], "n_abnormal": result["sample"]["n_abnormal"]}
    yield from _measures(result["clean"], {"part": "clean", "name": "none", "group": 0} | sample)
    for name, levels in result["corruptions"].items():
        for level in levels:
            head = {"part": "corruption", "name": name, "group": level["severity"]}
            yield from _measures(level, head | sample)
    yield from _left_out(result["leave_one_view_out"])
    for kind, groupings in result["subgroups"].items():
        for name, groups in groupings.items():
            for group, scores in groups.items():
                head = {"part": f"subgroup_{kind}", "name": name, "group": group}
                counts = {"n": scores["n"], "n_abnormal": scores["n_abnormal"]}
                yield from _measures(scores, head | counts)


def _left_out(result: Json) -> Iterator[Cells]:
    head: Cells = {"part": "leave_one_view_out"}
    everything = {"name": "all", "n": result["n_left_out"]}
    yield from _measures(result, head | everything)
    for name in ("by_view", "by_number_of_views"):
        for group, moved in result.get(name, {}).items():
            yield from _measures(moved, head | {"name": name, "group": group, "n": moved["n"]})


def _measures(scores: Mapping[str, Any], head: Cells) -> Iterator[Cells]:
    """Yield the entries of `scores` that are a value with its interval."""
    for measure, entry in scores.items():
        if isinstance(entry, dict) and {"value", "low", "high"} <= entry.keys():
            numbers = {k: _text(entry[k]) for k in ("value", "low", "high")}
            yield head | {"measure": measure} | numbers


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
