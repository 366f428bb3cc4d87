"""The picture of a run: ms per image of every contender at the smallest size, all threads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.speed.report import has_times
from benchmarks.speed.summary import cell_rows, floor_ms


def write_plot(path: Path, result: Mapping[str, Any]) -> None:
    """A PNG: one panel for each batch, time on a logarithmic scale, the floors as lines."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    threads = max(c["threads"] for c in result["cells"])
    size = min(c["size"] for c in result["cells"])
    cells = [
        c for c in result["cells"] if c["size"] == size and c["threads"] == threads and has_times(c)
    ]
    flops = sum(result["flops"][str(size)].values())
    figure, axes = pyplot.subplots(
        1, len(cells), figsize=(4.2 * len(cells) + 1, 3.4), sharey=False, squeeze=False
    )
    for axis, cell in zip(axes[0], cells, strict=True):
        _panel(axis, cell, flops)
    figure.suptitle(f"VGG19 + DenseNet121 + ResNet50, {size} px, {threads} threads")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _panel(axis: Any, cell: Mapping[str, Any], flops: float) -> None:
    rows = cell_rows(cell, flops)[::-1]
    medians = np.array([r.median for r in rows])
    spread = np.array([[r.median - r.low, r.high - r.median] for r in rows]).T
    colours = ["#2a6f97" if r.key.startswith("ulna") else "#b0b7bd" for r in rows]
    axis.barh([r.key for r in rows], medians, xerr=spread, color=colours, ecolor="#444444")
    for precision, ms in floor_ms(cell, flops).items():
        axis.axvline(np.median(ms), color="#c1121f", linewidth=1, label=f"floor {precision}")
    axis.set_xscale("log")
    axis.set_xlabel("ms per image")
    axis.set_title(f"batch {cell['batch']}")
    axis.tick_params(axis="y", labelsize=8)
    axis.legend(fontsize=7, loc="lower right")
