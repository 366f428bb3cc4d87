"""The names of `import ulna`: each is imported on first use, and nothing heavy before."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import ulna

HEAVY = ("torch", "timm", "lightning", "scipy", "numpy", "PIL", "pydicom", "matplotlib", "click")
PUBLIC = [
    "Answer", "BodyPart", "InputSpec", "RECIPES", "RadiographDataset", "Radiograph", "Reader",
    "Recipe", "Run", "Study", "UlnaError", "UlnaWarning", "__version__", "cross_validate",
    "evaluate", "index", "load", "load_expert", "recipe", "split", "train",
]  # fmt: skip


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{code}\nprint(json.dumps(list(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_public_names_are_these() -> None:
    assert sorted(ulna.__all__) == sorted(PUBLIC)
    assert set(ulna.__all__) <= set(dir(ulna))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ulna.nothing  # noqa: B018


def test_import_alone_loads_nothing_heavy() -> None:
    assert not modules_after("import ulna") & set(HEAVY)


def test_a_reader_needs_no_torch() -> None:
    code = "import ulna\nr = ulna.load('demonstration')\nr.predict(__import__('numpy').eye(64))"
    assert not modules_after(code) & {"torch", "timm", "lightning", "matplotlib", "click"}


@pytest.mark.parametrize("name", [n for n in PUBLIC if n not in ("RECIPES", "__version__")])
def test_every_name_has_a_docstring(name: str) -> None:
    thing = getattr(ulna, name)
    assert inspect.getdoc(thing), name
    if name in ("load", "index", "split", "train", "recipe", "evaluate", "cross_validate"):
        message = inspect.getdoc(thing) or ""
        for section in ("Parameters", "Returns", "Raises", "Examples"):
            assert f"{section}\n---" in message, f"{name}: {section}"
        named = set(inspect.signature(thing).parameters)
        assert all(n in message for n in named), (name, [n for n in named if n not in message])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ulna.errors.UlnaWarning")
def test_every_block_of_the_page_runs(examples: Path, repository: Path) -> None:
    """Run docs/python.md as a reader would paste it."""
    page = (repository / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = [b.split("```")[0] for b in page.split("```python\n")[1:]]
    assert len(blocks) >= 8
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), scope)
    assert scope["features"].shape[0] == 2  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ulna.errors.UlnaWarning")
def test_the_examples_in_docstrings_run(examples: Path) -> None:
    import doctest

    run = failed = 0
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for name in sorted(set(PUBLIC) - {"RECIPES", "__version__"}):
        thing = getattr(ulna, name)
        for test in finder.find(thing, name, module=False, globs={}):
            if test.examples:
                result = runner.run(test)
                run, failed = run + result.attempted, failed + result.failed
    assert run > 20 and failed == 0


def test_type_checkers_see_the_same_names(repository: Path) -> None:
    stub = (repository / "src" / "ulna" / "__init__.pyi").read_text(encoding="utf-8")
    named = {line.split(" as ")[1] for line in stub.splitlines() if " as " in line}
    assert named | {"__version__"} == set(ulna.__all__)
