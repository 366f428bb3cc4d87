"""Writes the generated parts of docs/: commands, exit codes, columns, recipes, settings.

`python scripts/write_docs.py --check` changes nothing and fails when a part is out of date.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import click

from ulna.cli.failure import exit_codes
from ulna.cli.main import VERBS, cli
from ulna.config import recipe as settings
from ulna.config.bounds import Distinct, hints_of
from ulna.config.distillation import Distillation
from ulna.config.input_spec import InputSpec
from ulna.config.selfsupervision import SelfSupervision
from ulna.corruptions import suite_rows
from ulna.recipes import RECIPES
from ulna.runtime.table.columns import COLUMNS

DOCS = Path(__file__).resolve().parent.parent / "docs"


def help_text() -> str:
    top = click.Context(
        cli, info_name="ulna", terminal_width=96, help_option_names=["-h", "--help"]
    )
    parts = [f"## ulna\n\n```text\n{cli.get_help(top)}\n```\n"]
    for verb in VERBS:
        command = cli.get_command(top, verb)
        assert command is not None
        context = click.Context(command, info_name=verb, parent=top, terminal_width=96)
        parts.append(f"## ulna {verb}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def exit_code_table() -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in exit_codes().items()]
    return "\n".join(["| code | meaning |", "|---|---|", *rows]) + "\n"


def recipe_table() -> str:
    rows = []
    for name, make in RECIPES.items():
        recipe = make()
        experts = ", ".join(e.name for e in recipe.experts)
        size = recipe.input_spec.size
        rows.append(f"| `{name}` | {recipe.description} | {experts} | {size} px |")
    head = ["| recipe | description | experts | input |", "|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def corruption_table() -> str:
    rows = [f"| `{name}` | {meaning} | {amounts} |" for name, amounts, meaning in suite_rows()]
    head = ["| corruption | description | severity 1, 2, ... |", "|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def column_table() -> str:
    rows = [f"| `{c.name}` | {c.kind} | {c.meaning} |" for c in COLUMNS]
    return "\n".join(["| column | kind | what |", "|---|---|---|", *rows]) + "\n"


def settings_reference() -> str:
    kinds = (
        settings.Recipe,
        settings.ExpertConfig,
        settings.InitialWeights,
        settings.Augmentation,
        settings.LossWeights,
        Distillation,
        settings.Fusion,
        InputSpec,
    )
    return "\n".join(_settings_of(kind) for kind in kinds)


def self_supervision_reference() -> str:
    return _settings_of(SelfSupervision)


def _settings_of(kind: type) -> str:
    """The class's docstring, with its section 'Attributes:' as a column of the table."""
    words = inspect.cleandoc(kind.__doc__ or "").replace("``", "`")
    text, _, section = words.partition("\nAttributes:\n")
    entries = re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", section, re.MULTILINE)
    meanings = {name: " ".join(meaning.split()) for name, meaning in entries}
    names = [f.name for f in dataclasses.fields(kind)]
    if list(meanings) != names:
        sys.exit(f"{kind.__name__}: 'Attributes:' has {list(meanings)}: expected {names}")
    rows = [
        f"| `{f.name}` | {_type(hints_of(kind)[f.name])} | {_default(f)} | {meanings[f.name]} |"
        for f in dataclasses.fields(kind)
    ]
    head = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    return f"### {kind.__name__}\n\n{text.strip()}\n\n" + "\n".join([*head, *rows]) + "\n"


def _type(hint: Any) -> str:
    """A type in a reader's words, with the bounds that the settings check."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        inner, bound = _type(args[0]), args[1]
        if isinstance(bound, Distinct):
            return f"{inner}, {f'at least {bound.least}, ' if bound.least else ''}each once"
        return f"{inner} {bound}"
    if origin is typing.Literal:
        return "one of " + ", ".join(f"`{a}`" for a in args)
    if origin in (types.UnionType, typing.Union):
        return " or ".join("none" if a is type(None) else _type(a) for a in args)
    if origin is tuple:
        return f"list of {_type(args[0])}"
    if type(None) in args:
        return " or ".join(_type(a) for a in args if a is not type(None)) + " or null"
    if origin is dict:
        return f"mapping of {_type(args[0])} to {_type(args[1])}"
    words = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    return words.get(hint) or f"`{hint.__name__}`"


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
        return f"see {type(value).__name__}" if dataclasses.is_dataclass(value) else f"`{value!r}`"
    return "(required)"


PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "cli.md": {"exit codes": exit_code_table, "commands": help_text},
    "batch.md": {"columns": column_table},
    "stress.md": {"corruptions": corruption_table},
    "recipes.md": {"recipes": recipe_table, "settings": settings_reference},
    "selfsupervision.md": {"settings": self_supervision_reference},
}


def renewed(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    for name, make in parts.items():
        begin, end = f"<!-- begin generated: {name} -->\n", f"<!-- end generated: {name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        if not pattern.search(text):
            sys.exit(f"no place for {name!r}: expected {begin.strip()} ... {end}")
        body = f"{begin}\n{make()}\n{end}"
        text = pattern.sub(lambda _, body=body: body, text)
    return text


def main() -> None:
    check = "--check" in sys.argv[1:]
    stale = []
    for name, parts in PARTS.items():
        path = DOCS / name
        before = path.read_text(encoding="utf-8")
        after = renewed(before, parts)
        if after != before:
            stale.append(f"docs/{name}")
            if not check:
                path.write_text(after, encoding="utf-8")
    if check and stale:
        sys.exit(f"out of date: {', '.join(stale)}; run: make docs")
    print("written: " + ", ".join(stale) if stale else "up to date")


if __name__ == "__main__":
    main()
