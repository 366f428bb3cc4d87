"""docs/notebooks: run from the first cell to the last in an empty folder, kept without outputs."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

if any(importlib.util.find_spec(name) is None for name in ("ipykernel", "nbclient", "nbformat")):
    pytest.skip(
        "what runs notebooks is not installed (ipykernel, nbclient, nbformat): make setup-dev",
        allow_module_level=True,
    )

import nbformat
from nbclient.exceptions import CellExecutionError
from scripts.run_notebooks import NOTEBOOKS, run_notebook
from scripts.site_hooks import notebook_page

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
FIGURES = {"radiograph": 3, "train": 3}


@pytest.fixture(autouse=True)
def kernel(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kernel inherits: this source tree, and a list of fonts that is there already."""
    import matplotlib.font_manager  # noqa: F401

    monkeypatch.setenv("PYTHONPATH", str(repository / "src"))


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Errors of cells, and whatever they wrote to standard error: a warning, a traceback."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error" or output.get("name") == "stderr":
                found.append(f"{cell.source[:60]!r}: {output.get('text', output.get('evalue'))}")
    return found


def pictures(notebook: nbformat.NotebookNode) -> int:
    """How many pictures its cells show."""
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    return sum("image/png" in o.get("data", {}) for o in outputs)


def summary(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """What the last cell shows: the main numbers of the page."""
    (output,) = notebook.cells[-1].outputs
    return ast.literal_eval(output.data["text/plain"])


def test_these_notebooks_there_are() -> None:
    assert {p.stem for p in PATHS} == set(FIGURES)


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert dict(notebook.metadata.language_info) == {"name": "python"}, "a version of a machine"
    for number, cell in enumerate(notebook.cells, 1):
        assert cell.id == f"{number:02d}" and not cell.metadata
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None, cell.source


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_notebook_says_that_its_radiographs_are_simulated(path: Path) -> None:
    first = " ".join(nbformat.read(path, as_version=4).cells[0].source.split())
    assert "The radiographs are phantoms" in first and "simulated" in first
    assert "no number on this page says anything about patients" in first


@pytest.mark.slow
@pytest.mark.timeout(1200)  # of a machine that does much else; CPU: a minute for both
@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = run_notebook(path, tmp_path)
    assert not faults(notebook), "\n".join(faults(notebook))
    assert pictures(notebook) == FIGURES[path.stem]
    said = summary(notebook)
    if path.stem == "radiograph":
        _a_radiograph_is_answered(said, tmp_path)
    else:
        _a_model_is_trained(said, tmp_path)
    # The page of the site shows what the cells showed.
    nbformat.write(notebook, tmp_path / path.name)
    page = notebook_page(path, tmp_path)
    assert page.count("data:image/png;base64,") == FIGURES[path.stem]
    assert page.count("```text\n") >= 5 and "no number on this page" in page


def _a_radiograph_is_answered(said: dict[str, Any], folder: Path) -> None:
    """What the page claims of its numbers holds, whatever engine computes them."""
    assert 2 <= said["refused"] < 4, "the default model refuses most of four phantoms, not all"
    assert said["probability"] > 0.8 and said["map_error"] < 1e-3
    assert said["read"] == 2 and said["failed"] == ["ImageError", "ImageError"]
    assert said["features"][0] == 44 and said["accuracy"] > 0.9
    assert (folder / "answer.png").is_file()


def _a_model_is_trained(said: dict[str, Any], folder: Path) -> None:
    auroc = said["auroc"]
    assert 0 <= auroc["low"] < auroc["value"] < auroc["high"] <= 1
    assert said["studies"] == 60 and said["losses"][-1] < said["losses"][0]
    assert said["after"]["later"] < said["before"]["later"], "fine-tuning must fit what it sees"
    assert said["demonstration"] is True, "a bundle of phantoms must say that it is one"
    assert (folder / "runs/first/evaluation/report.html").is_file()


def _notebook_of(folder: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "small.ipynb")
    return folder / "small.ipynb"


def test_a_broken_cell_fails(tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError, match="no attribute 'lode'"):
        run_notebook(_notebook_of(tmp_path, "import ulna", "ulna.lode()"), tmp_path)


def test_a_warning_is_a_fault(tmp_path: Path) -> None:
    code = "import warnings\nwarnings.warn('too few studies')"
    notebook = run_notebook(_notebook_of(tmp_path, "print('calm')", code), tmp_path)
    assert len(faults(notebook)) == 1 and "too few studies" in faults(notebook)[0]


def test_a_page_has_the_outputs_of_the_same_cells_alone(tmp_path: Path) -> None:
    done = run_notebook(_notebook_of(tmp_path, "print(6 * 7)"), tmp_path)
    (tmp_path / "run").mkdir()
    nbformat.write(done, tmp_path / "run" / "small.ipynb")
    assert "```text\n42\n```" in notebook_page(tmp_path / "small.ipynb", tmp_path / "run")
    changed = _notebook_of(tmp_path, "print(6 * 8)")
    assert not re.search("```text", notebook_page(changed, tmp_path / "run"))
