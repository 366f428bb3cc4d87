"""Options that several verbs share, and how their text becomes nouns."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ulna.config.engine import EngineSettings

Command = TypeVar("Command", bound=Callable[..., Any])


class GivenPath(click.Path):
    """A path that is not empty: `""`, from a variable that is not set, would be the folder "."."""

    def __init__(self, new_folder: bool = False) -> None:
        super().__init__(path_type=Path)
        self._new_folder = new_folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; for an output folder, once it is seen that it can be one."""
        if not str(value):
            self.fail(
                "an empty path: expected a file or folder (is a variable not set?)", param, ctx
            )
        if "\0" in str(value):
            self.fail("a path with a null character: expected a file or folder", param, ctx)
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if self._new_folder and (fault := _why_no_folder(path)):
            self.fail(fault, param, ctx)
        return path


def _why_no_folder(path: Path) -> str:
    """Why `path` cannot be written into as a folder, as far as can be seen beforehand."""
    place = next(p for p in (path, *path.absolute().parents) if os.path.lexists(p))
    if not place.is_dir():
        what = "a file" if place.exists() else "a link to nothing"
        return f"{place} is {what}: expected the name of a folder, new or not"
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{place} may not be written to: give another folder, or change its permissions"
    return ""


READABLE = GivenPath()
"""A path argument; whether it is there is checked by the reader, whose message says more."""
OUT_FOLDER = GivenPath(new_folder=True)
"""A folder to write results into; that it can be one is checked before any work is done."""


def json_option(command: Command) -> Command:
    """`--json`: one JSON document on stdout instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        command
    )


def devices_option(command: Command) -> Command:
    """`--devices N`: processes that train together."""
    return click.option(
        "--devices",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Processes that share every batch: one for each GPU, or all on the CPU.",
    )(command)


def outliers_option(command: Command) -> Command:
    """`--outliers TABLE`, repeated: images of other regions of the body."""
    return click.option(
        "--outliers",
        multiple=True,
        type=READABLE,
        help="Images of other regions, for the bundle to refuse; labels not needed; repeatable.",
    )(command)


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


def optional_bundle_option(command: Command) -> Command:
    """`--bundle BUNDLE`; None means the one that comes with the package."""
    return click.option(
        "--bundle",
        type=READABLE,
        help="The bundle's folder (from `ulna export`), or 'demonstration' for that of simulated "
        "images. [default: the one that comes with ulna; `ulna info` says what it may be used for]",
    )(command)


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
    """`--recipe`, `--encoders`, `--set` and `--initial`: what `choose_recipe` takes."""
    for option in (
        click.option(
            "--initial",
            multiple=True,
            metavar="[EXPERT=]KIND[:PATH]",
            help="Initial weights: random, imagenet, shipped, file:PATH or run:PATH.",
        ),
        click.option("--set", multiple=True, metavar="KEY=VALUE", help="Change a setting."),
        click.option(
            "--encoders",
            metavar="NAME,...",
            help="An expert of each, in place of the recipe's that are not cnn.",
        ),
        click.option(
            "--recipe",
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
