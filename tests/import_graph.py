"""Which modules import which, read from their source; and those that lead back to themselves."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path


def _dotted(path: Path, root: Path) -> str:
    inside = path.relative_to(root).with_suffix("").parts
    return ".".join(inside[:-1] if inside[-1] == "__init__" else inside)


def imported(node: ast.AST, known: Collection[str]) -> Iterator[str]:
    """Modules among `known` that `node` imports, inside functions too; not for type hints alone."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.orelse:
            yield from imported(child, known)
        return
    if isinstance(node, ast.Import):
        yield from (a.name for a in node.names if a.name in known)
    if isinstance(node, ast.ImportFrom):
        assert not node.level and node.module, "imports are absolute"
        inside = (f"{node.module}.{a.name}" for a in node.names)
        yield from (name if name in known else node.module for name in inside)
    for child in ast.iter_child_nodes(node):
        yield from imported(child, known)


def import_graph(root: Path) -> dict[str, set[str]]:
    """From every module below `root` to those that it imports; see `imported`."""
    paths = {_dotted(p, root): p for p in root.rglob("*.py")}
    trees = {name: ast.parse(p.read_text(encoding="utf-8")) for name, p in paths.items()}
    return {name: {i for i in imported(t, paths) if i in paths} for name, t in trees.items()}


def circles(graph: Mapping[str, Collection[str]]) -> list[set[str]]:
    """Largest sets of nodes that all lead to each other."""
    left = {name: set(others) for name, others in graph.items()}
    while ends := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in ends}
    reached = {name: _reached(name, left) for name in left}
    result = [{o for o in reached[name] if name in reached[o]} for name in sorted(left)]
    return [c for i, c in enumerate(result) if c and c not in result[:i]]


def _reached(start: str, graph: Mapping[str, Collection[str]]) -> set[str]:
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        for other in graph[ahead.pop()]:
            if other in graph and other not in seen:
                seen.add(other)
                ahead.append(other)
    return seen
