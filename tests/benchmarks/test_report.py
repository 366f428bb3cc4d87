"""From seconds to ratios, goals and a page: on numbers that a test can do itself."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from benchmarks.speed.contenders import PEER
from benchmarks.speed.map_cost import measure, median_ratio
from benchmarks.speed.plot import write_plot
from benchmarks.speed.report import BEGIN, END, render, write_page
from benchmarks.speed.summary import cell_rows, goals

ULNA, FILES = "ulna:onnxruntime:fp32", "ulna files:onnxruntime:fp32"


def _cell(batch: int) -> dict[str, Any]:
    """At a rate of 100 GFLOP/s and 20 GFLOP an image the floor is 200 ms an image."""
    return {
        "size": 224,
        "threads": 2,
        "batch": batch,
        "rounds": 3,
        "seconds": {
            PEER: [{"net": s * batch, "fuse": 0.0} for s in (4.0, 8.0, 12.0)],
            ULNA: [{"net": s * batch, "fuse": 0.0} for s in (0.25, 0.4, 0.5)],
            FILES: [{"predict": s * batch} for s in (0.5, 0.5, 0.5)],
            "floor:fp32": [{"matmul": 1.0}] * 3,
        },
        "peak_bytes": {PEER: 2**30, ULNA: 2**29, FILES: 2**29, "floor:fp32": 2**28},
        "flops": {PEER: 0.0, ULNA: 0.0, FILES: 0.0, "floor:fp32": 1e11},
        "notes": {PEER: "eager", ULNA: "as it is"},
        "left_out": {"keras answer": "about 99 s a round"},
        "parity": {ULNA: {"net logits": 1e-6, "net maps": 2e-6}},
    }


@pytest.fixture
def result() -> dict[str, Any]:
    cost = {"engine": "onnxruntime:fp32", "batch": 1, "ratio": 1.02, "low": 0.99, "high": 1.025}
    return {
        "command": "python -m benchmarks.speed",
        "seed": 0,
        "date": "2026-01-01",
        "minutes_used": 1.0,
        "machine": {
            "processor": "P",
            "units": ["avx2"],
            "cores": 2,
            "memory_gib": 8.0,
            "system": "Linux",
            "load_before": 0.1,
            "versions": {"python": "3.11"},
        },
        "flops": {"224": {"net": 20_000_000_000}},
        "cells": [_cell(1), _cell(8)],
        "map_cost": [cost],
        "left_out": {},
    }


@pytest.mark.parametrize("batch", [1, 8])
def test_rows_are_medians_and_ratios_of_the_same_round(batch: int) -> None:
    peer, ulna, files = cell_rows(_cell(batch), 20e9)
    assert (ulna.median, ulna.low, ulna.high) == pytest.approx((400, 250, 500))
    # rounds: 16, 20 and 24 times; the ratio of the medians happens to be 20 too
    assert ulna.faster == pytest.approx(20)
    assert ulna.of_floor == pytest.approx(2)
    assert ulna.steps == pytest.approx({"net": 400, "fuse": 0})
    assert peer.faster == pytest.approx(1)
    assert ulna.peak_mib == 512 and files.key == FILES


def test_without_peer_or_floor_there_is_no_ratio() -> None:
    cell = _cell(1)
    del cell["seconds"][PEER], cell["seconds"]["floor:fp32"]
    row = cell_rows(cell, 20e9)[0]
    assert row.key == ULNA
    assert row.faster is None and row.of_floor is None


def test_goals_are_held_against_what_was_measured(result: dict[str, Any]) -> None:
    results = {g.wanted: g for g in goals(result)}
    assert results["at least 15 times as fast as eager + grad-cam at batch 1"].met is True
    files = results["from PNG files within 1.25 of prepared arrays at batch 1"]
    assert files.result.startswith("1.25") and files.met is True
    assert results["within 1.15 of the floor at batch 1 (bf16)"].met is None
    assert results["the map costs at most 3 % (onnxruntime:fp32, batch 1)"].met is True
    slow = copy.deepcopy(result)
    slow["map_cost"][0] |= {"ratio": 1.04, "low": 1.031, "high": 1.05}
    for entry in slow["cells"][0]["seconds"][ULNA]:
        entry["net"] *= 2
    results = {g.wanted: g for g in goals(slow)}
    assert results["at least 15 times as fast as eager + grad-cam at batch 1"].met is False
    assert results["the map costs at most 3 % (onnxruntime:fp32, batch 1)"].met is False


def test_cost_of_the_map_is_undecided_where_its_interval_holds_the_limit(
    result: dict[str, Any],
) -> None:
    result["map_cost"][0]["high"] = 1.05
    (goal,) = [g for g in goals(result) if g.wanted.startswith("the map")]
    assert goal.met is None and goal.result == "+2.0 % (-1.0 % to +5.0 %)"


def test_page_changes_between_its_markers_only(result: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "speed.md"
    page.write_text(f"# Speed\n\nbefore\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")
    write_page(page, result, "speed.png")
    once = page.read_text(encoding="utf-8")
    assert once.startswith("# Speed\n\nbefore\n") and once.endswith(f"{END}\n\nafter\n")
    assert "old" not in once and render(result) in once
    write_page(page, result, "speed.png")
    assert page.read_text(encoding="utf-8") == once
    page.write_text("no place", encoding="utf-8")
    with pytest.raises(ValueError, match="no place for the tables"):
        write_page(page, result, "speed.png")


def test_page_says_what_was_left_out(result: dict[str, Any]) -> None:
    text = render(result)
    assert "| 224 px, 2 threads, batch 8 | keras answer | about 99 s a round |" in text
    assert f"| {ULNA} | 400.0 | 250.0–500.0 | 400.0 | 20.0 | 2.00 | 512 |" in text


def test_plot_is_a_picture(result: dict[str, Any], tmp_path: Path) -> None:
    write_plot(tmp_path / "images" / "speed.png", result)
    assert (tmp_path / "images" / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_cost_of_the_map_is_measured_in_turns() -> None:
    calls: list[str] = []
    turns = measure(lambda: calls.append("a"), lambda: calls.append("b"), seconds=0)
    assert len(turns) == 3
    assert calls == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert median_ratio([(1.5, 1.0), (3.0, 2.0), (0.75, 0.5)]) == pytest.approx((1.5, 1.5, 1.5))
