"""Convert matplotlib figures to SVG elements of an HTML page."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ulna.atomic_file import atomic_file

INK = "#1d2630"
MUTED = "#5f6b7a"
GRID = "#e3e7ec"
# The colours of Okabe and Ito, distinguishable with colour vision deficiency.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195")
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "semibold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "lines.linewidth": 1.8,
}


def new_figure(width: float, height: float) -> tuple[Figure, Any]:
    """Make a figure of width x height inches with one axes. No global state is changed."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        return figure, figure.add_subplot()


def new_grid(width: float, height: float, rows: int, columns: int) -> tuple[Figure, list[Any]]:
    """Make a figure of width x height inches with rows x columns axes, listed row by row."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def to_svg(figure: Figure, label: str) -> str:
    """Return the figure as an `<svg>` element for HTML, reproducible to the byte.

    Prologue, metadata and namespaces are removed, since HTML does not need them. label: text for
    screen readers.
    """
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE | {"svg.hashsalt": label}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'font: ([^;"]*?)(\'[^"]*|sans-serif[^;"]*)', r"font: \1var(--sans)", text)
    spoken = label.replace("&", "&amp;").replace('"', "&quot;")
    return text.replace("<svg", f'<svg role="img" aria-label="{spoken}"', 1)


def colour_of(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name, INK for ALL."""
    others = [n for n in names if n != "ALL"]
    colours = {n: COLOURS[i % len(COLOURS)] for i, n in enumerate(others)}
    return colours | ({"ALL": INK} if "ALL" in names else {})


def write_png(figure: Figure, out: Path) -> None:
    """Write the figure as a PNG of 140 dots per inch on white."""
    with atomic_file(out) as stream, mpl.rc_context(_STYLE):
        figure.savefig(stream, format="png", dpi=140, facecolor="white")
