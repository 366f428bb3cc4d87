"""The house rules that linters do not know: layers, budgets, names, and docs that cannot drift."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.import_graph import circles, import_graph, imported

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "ulna"
MODULES = sorted(PACKAGE.rglob("*.py"))
CODE = sorted([*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").glob("*.py")])
CODE += sorted((ROOT / "benchmarks").rglob("*.py"))
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".sh", ".html", ".css", ".j2", ".yml", ""}
MAX_FILE, MAX_FUNCTION, MAX_ARGUMENTS, MAX_NESTING = 300, 40, 7, 3
MAX_SHARE = 0.15
# The options of a command arrive as arguments of its function.
COMMANDS = PACKAGE / "cli"
# Their functions take a command's options by name, as keyword-only arguments.
VERBS = (PACKAGE / "experiments", PACKAGE / "api")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of signature and body; the docstring is not code."""
    first = function.body[0]
    docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    used = (first.end_lineno or 0) - first.lineno + 1 if docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - used


def _nesting(node: ast.AST, depth: int = 0) -> int:
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        inner = isinstance(child, (ast.For, ast.While, ast.If, ast.With, ast.Try))
        elif_branch = (
            isinstance(child, ast.If) and isinstance(node, ast.If) and node.orelse == [child]
        )
        deepest = max(deepest, _nesting(child, depth + (inner and not elif_branch)))
    return deepest


def _compiled(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether numba compiles it: such a function takes arrays and numbers, never objects."""
    return any("njit" in ast.unparse(d) for d in function.decorator_list)


def _tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("not a git checkout: there is no list of the repository's files")
    paths = [ROOT / line for line in done.stdout.splitlines()]
    return [p for p in paths if p.is_file()]


def test_layers_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as m; m()"]
        + ["--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_budgets_of_size(path: Path) -> None:
    over = []
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if lines > MAX_FILE:
        over.append(f"{lines} lines, at most {MAX_FILE}")
    for function in _functions(path):
        where = f"line {function.lineno} {function.name}"
        length, nesting = _length(function), _nesting(function)
        if length > MAX_FUNCTION:
            over.append(f"{where}: {length} lines, at most {MAX_FUNCTION}")
        if nesting > MAX_NESTING:
            over.append(f"{where}: nested {nesting} deep, at most {MAX_NESTING}")
        arguments = [*function.args.posonlyargs, *function.args.args]
        arguments += function.args.kwonlyargs if not {*VERBS} & {*path.parents} else []
        count = len([a for a in arguments if a.arg not in ("self", "cls")])
        free = COMMANDS in path.parents or PACKAGE not in path.parents or _compiled(function)
        if count > MAX_ARGUMENTS and not free:
            over.append(f"{where}: {count} arguments, at most {MAX_ARGUMENTS}")
    assert not over, "\n".join(over)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_modules_say_what_they_are(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "no docstring"
    assert path.stem not in ("utils", "util", "common", "helpers", "misc"), "a name without meaning"


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_nothing_is_left_unfinished(path: Path) -> None:
    if path == Path(__file__).resolve():
        return
    text = path.read_text(encoding="utf-8")
    for word in (
        r"\bTODO\b",
        r"\bFIXME\b",
        r"\bXXX\b",
        "NotImplementedError",
        r"type: ignore(?!\[)",
    ):
        result = re.search(word, text)
        assert not result, f"{word} at line {text[: result.start()].count(chr(10)) + 1}"


def test_no_file_names_this_machine_or_a_host() -> None:
    bad = re.compile(
        r"/(?:home|root|Users|work|tmp)/\w|\bpypi\b|files\.pythonhosted|index-url|extra-index"
    )
    result = []
    for path in _tracked():
        if path.suffix not in TEXT_SUFFIXES or path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if bad.search(line):
                result.append(f"{_name(path)}:{number}: {line.strip()[:90]}")
    assert not result, "\n".join(result)


def test_no_large_or_binary_surprise() -> None:
    forbidden = {".onnx", ".safetensors", ".pth", ".ckpt", ".npy", ".npz", ".dcm"}
    result = [_name(p) for p in _tracked() if p.suffix in forbidden or p.stat().st_size > 2**21]
    shipped = ROOT / "src/ulna/models/cnn.safetensors"  # docs/decisions/008-shipped-trunk.md
    assert shipped.stat().st_size < 2e6
    result.remove(_name(shipped))
    bundle = ROOT / "models/fracatlas"  # docs/decisions/014-real-image-bundle.md
    (out_of_distribution,) = bundle.glob("domain-*.npz")
    lite0 = dict.fromkeys(("lite0", "lite0_plain", "lite0_whole"), 6.9e6)
    largest = {"cnn": 1.7e6, **lite0}
    sizes = {bundle / f"{name}-{k}.onnx": n for name, n in largest.items() for k in range(5)}
    for path, most in {**sizes, out_of_distribution: 9e6}.items():
        assert path.stat().st_size < most
        result.remove(_name(path))
    box = ROOT / "src/ulna/bundle/demonstration"  # docs/bundle.md
    assert sum(f.stat().st_size for f in box.iterdir()) <= 4e6
    for path in (*box.glob("*.onnx"), *box.glob("*.npz")):
        result.remove(_name(path))
    student = ROOT / "src/ulna/bundle/student"  # docs/student.md; absent until one was made
    assert sum(f.stat().st_size for f in student.glob("*")) <= 8e6
    result = [name for name in result if not name.startswith("src/ulna/bundle/student/")]
    assert not result, f"weights, arrays and files over 2 MiB stay out: {result}"


def test_no_package_is_a_house_of_its_own() -> None:
    """A package that holds much of the code knows several subjects: docs/decisions/030-rooms.md."""
    lines: Counter[str] = Counter()
    for path in MODULES:
        inside = path.relative_to(PACKAGE).parts
        if len(inside) > 1:
            lines[inside[0]] += len(path.read_text(encoding="utf-8").splitlines())
    total = sum(len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES)
    over = {name: f"{n / total:.1%}" for name, n in lines.items() if n > MAX_SHARE * total}
    assert not over, f"at most {MAX_SHARE:.0%} of src/ulna: {over}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    result = [sorted(c) for c in circles(import_graph(ROOT / "src"))]
    assert not result, "\n".join(map(str, result))


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"f", "a"}}
    assert circles(graph) == [{"a", "b", "c"}, {"f"}]
    code = (
        "import m.a\nif TYPE_CHECKING:\n    import m.b\n"
        "def f():\n    from m import c, x\n    from m.d import y\n"
    )
    known = ["m", "m.a", "m.b", "m.c", "m.d"]
    assert list(imported(ast.parse(code), known)) == ["m.a", "m.c", "m", "m.d"]


def _packages() -> set[str]:
    there = {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    return there | {p.name for p in PACKAGE.glob("*.py") if p.stem not in ("__init__", "__main__")}


def test_file_map_is_the_tree() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"<!-- file map -->\n```\n(.*?)```", text, re.DOTALL)
    named = set(re.findall(r"^  src/ulna/(\w+(?:\.py)?)\b", block, re.MULTILINE))
    assert named == _packages()
    for path, said in re.findall(r"^  ?(\S+)(.*)", block, re.MULTILINE):
        assert (ROOT / path).exists(), f"ARCHITECTURE.md names {path}, which is not there"
        assert said.strip(), f"ARCHITECTURE.md does not say what {path} is"
    for page in re.findall(r"docs/\S+\.md", block):
        assert (ROOT / page).exists(), f"ARCHITECTURE.md names {page}, which is not there"


def test_the_readme_is_short_and_has_no_second_map() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 90, "details belong in docs"
    assert "file map" not in text and "(ARCHITECTURE.md)" in text
    assert "src/ulna" not in text, "where things lie is told in ARCHITECTURE.md alone"
    assert "not a medical device" in text


def test_links_in_documents_lead_somewhere() -> None:
    broken = []
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            if not (document.parent / target).exists():
                broken.append(f"{_name(document)}: {target}")
    assert not broken, "\n".join(broken)


def test_generated_parts_of_the_documents_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/write_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_exit_codes_are_documented() -> None:
    from ulna.cli.failure import exit_codes

    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    rows = {int(c): m for c, m in re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)}
    assert rows == exit_codes()


def test_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.startswith("# Changelog\n")
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert titles[0] == "[Unreleased]"
    for title in titles[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", title), title
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_decisions_are_numbered_without_gap() -> None:
    there = (ROOT / "docs" / "decisions").glob("*.md")
    names = sorted(p.name for p in there if p.name != "README.md")
    assert [int(n[:3]) for n in names] == list(range(1, len(names) + 1))
    for name in names:
        assert re.fullmatch(r"\d{3}-[a-z0-9-]+\.md", name)


def test_predicting_leaves_torch_alone() -> None:
    code = (
        "import sys, ulna.runtime\n"
        "from ulna.runtime import Predictor\n"
        "print([m for m in ('torch', 'torchvision', 'timm', 'lightning') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
