"""Run docs/notebooks and keep them with their outputs in build/notebooks, for `make site`."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "docs" / "notebooks"
# Of one cell, on a machine that does much else.
SECONDS = 600


def run_notebook(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs, run from its first cell to its last in `folder`.

    Raises nbclient.exceptions.CellExecutionError where a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=place).execute()
    return notebook


def main() -> None:
    # So small networks gain nothing from threads, and lose much where other work waits for a core.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    out = ROOT / "build" / "notebooks"
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            notebook = run_notebook(path, Path(folder))
        nbformat.write(notebook, out / path.name)
        print(f"{out / path.name}: {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
