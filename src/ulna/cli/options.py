"""Options that several verbs share, and how their text becomes nouns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ulna.config.engine import EngineSettings

Command = TypeVar("Command", bound=Callable[..., Any])

GIVEN = "ulna.given"
"""Under this key of a context's meta: the arguments of `ulna`, as given."""

READABLE = click.Path(path_type=Path)
"""A path argument; whether it is there is checked by the reader, whose message says more."""


def json_option(command: Command) -> Command:
    """`--json`: one JSON document on stdout instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        command
    )


def bundle_option(command: Command) -> Command:
    """`--bundle BUNDLE`, required."""
    return click.option(
        "--bundle", type=READABLE, required=True, help="The bundle's folder (from `ulna export`)."
    )(command)


def engine_option(default: str) -> Callable[[Command], Command]:
    """`--engine TEXT`, also from ULNA_ENGINE, as EngineSettings. default: its text."""

    def parsed(_context: click.Context, _parameter: click.Parameter, text: str) -> EngineSettings:
        from ulna.config.engine import EngineSettings

        return EngineSettings.parse(text)

    return click.option(
        "--engine",
        default=default,
        show_default=True,
        envvar="ULNA_ENGINE",
        show_envvar=True,
        callback=parsed,
        metavar="ENGINE[:SETTING...]",
        help="What computes, as 'openvino:bf16:2' (docs/engines.md).",
    )


def held_out_options(command: Command) -> Command:
    """`--split`, `--run`, `--operating-point`: which studies a bundle is asked about, and how."""
    point = click.option(
        "--operating-point", help="One of the bundle's. [default: the bundle's own]"
    )
    return tested_options(point(command))


def tested_options(command: Command) -> Command:
    """`--split`, `--run`: which studies a bundle is asked about."""
    for option in (
        click.option(
            "--run", type=READABLE, help="The bundle's run. [default: the folder it lies in]"
        ),
        click.option("--split", type=click.Choice(["valid", "all"]), help="Which studies of DATA."),
    ):
        command = option(command)
    return command


def by_option(help_text: str) -> Callable[[Command], Command]:
    """`--by COLUMN[:NUMBER]`: groups by a column of the table; may be repeated."""
    return click.option("--by", multiple=True, metavar="COLUMN[:NUMBER]", help=help_text)


def recipe_options(command: Command) -> Command:
    """`--recipe`, `--set` and `--initial`: what `choose_recipe` takes."""
    for option in (
        click.option(
            "--initial",
            multiple=True,
            metavar="[EXPERT=]KIND[:PATH]",
            help="Initial weights: random, imagenet, shipped, file:PATH or run:PATH.",
        ),
        click.option(
            "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting."
        ),
        click.option(
            "--recipe",
            "recipe_name",
            required=True,
            metavar="NAME|FILE.json",
            help="What to train.",
        ),
    ):
        command = option(command)
    return command


def body_part_names() -> list[str]:
    """The seven regions, as on the command line."""
    return ["ELBOW", "FINGER", "FOREARM", "HAND", "HUMERUS", "SHOULDER", "WRIST"]


def body_part_option(help_text: str) -> Callable[[Command], Command]:
    """`--body-part PART`: one of the seven regions."""
    return click.option(
        "--body-part",
        type=click.Choice(body_part_names(), case_sensitive=False),
        help=help_text,
    )
