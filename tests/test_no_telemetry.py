"""Packages with telemetry are imported with it disabled; tests/cli covers every command."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.cli.guarded import Sandbox

from ulna.no_telemetry import no_telemetry

REPORTING = ("onnxruntime", "openvino")
SRC_ALONE = ("timm", "huggingface_hub")


def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and not node.level:
        return {(node.module or "").partition(".")[0]}
    return set()


def _open_imports(node: ast.AST) -> Iterator[tuple[str, int]]:
    """The packages that are imported outside `with no_telemetry()`, and the lines."""
    for child in ast.iter_child_nodes(node):
        shut = isinstance(child, ast.With) and any(
            ast.unparse(item.context_expr) == "no_telemetry()" for item in child.items
        )
        if not shut:
            yield from ((name, child.lineno) for name in _imported(child))  # type: ignore[attr-defined]
            yield from _open_imports(child)


def _in_the_open(file: Path, watched: tuple[str, ...]) -> list[str]:
    text = file.read_text("utf-8")
    if not any(name in text for name in watched):
        return []
    imports = _open_imports(ast.parse(text))
    return [f"{file}:{line}: {name}" for name, line in imports if name in watched]


def test_nobody_imports_what_reports_in_the_open(repository: Path) -> None:
    result = []
    for folder in ("src", "benchmarks", "scripts", "tests"):
        watched = REPORTING + SRC_ALONE * (folder == "src")
        for file in sorted((repository / folder).rglob("*.py")):
            result += _in_the_open(file, watched)
    assert not result


def _reporter(folder: Path) -> None:
    """A stand-in for OpenVINO's telemetry package that records its use."""
    package = folder / "openvino_telemetry"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("print('imported')\nclass Telemetry: pass\n", "utf-8")


def _python(code: str, path: Path | str = "") -> str:
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(path), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout


ENGINE = "import ulna.runtime.session.openvino_graph as g; import openvino as ov; "
needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="openvino is not installed (extra 'fast')"
)


@needs_openvino
def test_openvinos_reporter_is_not_imported(tmp_path: Path) -> None:
    _reporter(tmp_path)
    assert _python("import openvino", tmp_path)  # the stand-in stands where the real one would
    assert not _python(ENGINE, tmp_path)
    # Nor later, by what OpenVINO imports of itself; and it can do all that it could.
    assert not _python(ENGINE + "assert callable(ov.convert_model)", tmp_path)
    # The caller's program may use it for itself, before or after.
    use = "import openvino_telemetry as t; t.Telemetry; "
    assert _python(ENGINE + use, tmp_path) == "imported\n"
    assert _python(use + ENGINE + "import sys; assert sys.modules[t.__name__] is t", tmp_path)


@needs_openvino
def test_openvino_is_used_where_its_reporter_is_absent() -> None:
    absent = "import sys; sys.modules['openvino_telemetry'] = None; "
    assert not _python(absent + ENGINE + "assert g.capabilities()")


@needs_openvino
def test_a_child_process_reports_no_more(tmp_path: Path) -> None:
    _reporter(tmp_path)
    program = tmp_path / "program.py"
    program.write_text(
        "import multiprocessing as m\n"
        "from ulna.runtime.session.choice import available_engines\n"
        "if __name__ == '__main__':\n"
        "    for way in ('spawn', 'fork'):\n"
        "        with m.get_context(way).Pool(1) as pool:\n"
        "            assert pool.apply(available_engines)\n",
        "utf-8",
    )
    assert not _python(
        f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')", tmp_path
    )


def test_the_switches_are_thrown_before_the_import() -> None:
    switch = "ORT_DISABLE_TELEMETRY"
    code = f"import os; os.environ[{switch!r}] = '0'; import ulna.runtime.session.onnxruntime_graph"
    assert _python(f"{code}; print(os.environ[{switch!r}])") == "1\n"


def test_an_import_that_fails_leaves_the_reporter_as_it_was() -> None:
    before = sys.modules.get("openvino_telemetry")
    with pytest.raises(ModuleNotFoundError), no_telemetry():
        import a_package_of_nobody  # type: ignore[import-not-found]  # noqa: F401
    assert sys.modules.get("openvino_telemetry") is before


@pytest.mark.parametrize("package", [p for p in REPORTING if find_spec(p)])
def test_the_watch_would_see_a_report(package: str, tmp_path: Path) -> None:
    """What the packages do by themselves; where a version does nothing, nothing is proved."""
    sandbox = Sandbox.make(tmp_path)
    ended = sandbox.python("-c", f"import {package}, time; time.sleep(0.5)")
    if ended.code or not (ended.requested or sandbox.files()):
        pytest.skip(f"this {package} reports nothing by itself")
    quiet = Sandbox.make(tmp_path / "quiet")
    module = {"onnxruntime": "onnxruntime_graph", "openvino": "openvino_graph"}[package]
    ended = quiet.python("-c", f"import ulna.runtime.session.{module}, time; time.sleep(0.5)")
    assert not ended.code and not ended.requested and not quiet.files()
