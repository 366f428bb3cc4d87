"""The generated part of docs/results/speed.md: goals, tables, what was left out, how it was run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.speed.contenders import PEER
from benchmarks.speed.summary import Row, cell_rows, floor_ms, goals

BEGIN, END = "<!-- begin generated: speed -->", "<!-- end generated: speed -->"
_MET = {True: "met", False: "**missed**", None: "–"}


def write_page(page: Path, result: Mapping[str, Any], picture: str) -> None:
    """Renew what is between the markers of `page`; without a page, write one of them alone.

    picture: link from the page to that of `write_plot`. Raises ValueError without markers.
    """
    seen = f"![milliseconds per image of every contender]({picture})"
    body = f"{BEGIN}\n\n{seen}\n\n{render(result)}\n{END}"
    if not page.exists():
        page.write_text(f"# Speed\n\n{body}\n", encoding="utf-8")
        return
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{page}: no place for the tables: expected {BEGIN} ... {END}")
    page.write_text(pattern.sub(lambda _: body, text), encoding="utf-8")


def render(result: Mapping[str, Any]) -> str:
    """Markdown."""
    parts = [_how(result), _goal_table(result), _floor_table(result)]
    parts += [_cell_table(result, cell) for cell in result["cells"] if has_times(cell)]
    parts += [_left_out(result), _notes(result)]
    return "\n\n".join(p for p in parts if p) + "\n"


def has_times(cell: Mapping[str, Any]) -> bool:
    """Whether any contender was timed in this cell, not the floor alone."""
    return any(not key.startswith("floor:") for key in cell["seconds"])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _how(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    return (
        f"`{result['command']}`, seed {result['seed']}, {result['date']}, "
        f"{result['minutes_used']:.1f} minutes.\n\n"
        f"{machine['processor']} ({', '.join(machine['units']) or 'no vector units known'}), "
        f"{machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; load before "
        f"the run {machine['load_before']}. {versions}."
    )


def _goal_table(result: Mapping[str, Any]) -> str:
    rows = [[g.wanted, g.result, _MET[g.met]] for g in goals(result)]
    return "### Goals\n\n" + _table(["goal", "measured", ""], rows)


def _floor_table(result: Mapping[str, Any]) -> str:
    """GFLOP of one image by expert, and matrix rates by number of threads."""
    experts = list(next(iter(result["flops"].values())))
    counted = [
        [f"{size} px", *(f"{f[e] / 1e9:.2f}" for e in experts), f"{sum(f.values()) / 1e9:.2f}"]
        for size, f in result["flops"].items()
    ]
    rates: dict[tuple[str, int], list[float]] = {}
    for cell in result["cells"]:
        for precision, ms in floor_ms(cell, 1.0).items():
            rates.setdefault((precision, cell["threads"]), []).extend(1e-6 / ms)
    measured = [
        [p, str(t), f"{np.median(r):.0f}", f"{min(r):.0f}–{max(r):.0f}"]
        for (p, t), r in sorted(rates.items())
    ]
    first = _table(["GFLOP per image", *experts, "sum"], counted)
    second = _table(["matrix rate", "threads", "GFLOP/s, median", "min–max"], measured)
    return f"### Floor\n\n{first}\n\n{second}"


def _cell_table(result: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    flops = result["flops"][str(cell["size"])]
    rows = [_line(row, list(flops)) for row in cell_rows(cell, sum(flops.values()))]
    for precision, ms in floor_ms(cell, sum(flops.values())).items():
        low, high = f"{min(ms):.1f}", f"{max(ms):.1f}"
        blanks = ["–"] * len(flops)
        rows.append([f"floor {precision}", f"{np.median(ms):.1f}", f"{low}–{high}", *blanks])
        rows[-1] += ["–", "1.00" if precision == "fp32" else "–", "–"]
    head = ["", "ms per image", "min–max", *flops, "times the peer", "of floor", "peak MiB"]
    title = f"### {cell['size']} px, {cell['threads']} threads, batch {cell['batch']}"
    return f"{title}\n\n{cell['rounds']} rounds.\n\n{_table(head, rows)}"


def _line(row: Row, experts: Sequence[str]) -> list[str]:
    name = f"{row.key} (peer)" if row.key == PEER else row.key
    return [
        name,
        f"{row.median:.1f}",
        f"{row.low:.1f}–{row.high:.1f}",
        *(f"{row.steps[e]:.1f}" if e in row.steps else "–" for e in experts),
        "–" if row.faster is None else f"{row.faster:.1f}",
        "–" if row.of_floor is None else f"{row.of_floor:.2f}",
        f"{row.peak_mib:.0f}",
    ]


def _left_out(result: Mapping[str, Any]) -> str:
    rows = [["everywhere", key, why] for key, why in result["left_out"].items()]
    for cell in result["cells"]:
        where = f"{cell['size']} px, {cell['threads']} threads, batch {cell['batch']}"
        rows += [[where, key, why] for key, why in cell["left_out"].items()]
    return "### Left out\n\n" + _table(["where", "what", "why"], rows) if rows else ""


def _notes(result: Mapping[str, Any]) -> str:
    notes = {k: n for cell in result["cells"] for k, n in cell["notes"].items()}
    differ: dict[str, float] = {}
    for cell in result["cells"]:
        for key, outputs in cell["parity"].items():
            differ[key] = max(differ.get(key, 0.0), *outputs.values())
    rows = [[k, n, f"{differ[k]:.1e}" if k in differ else "–"] for k, n in notes.items()]
    head = ["contender", "how", "logits and maps differ from the peer's by at most"]
    return "### Contenders\n\n" + _table(head, rows)
