"""Options that several commands share, and how their text is converted."""

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
        """Return the path; fail for an output folder that could not be written to."""
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
    """Return why `path` cannot be an output folder, as far as can be checked now; '' if it can."""
    place = next(p for p in (path, *path.absolute().parents) if os.path.lexists(p))
    if not place.is_dir():
        kind = "a file" if place.exists() else "a link to nothing"
        return f"{place} is {kind}: expected the name of a folder, new or not"
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{place} may not be written to: give another folder, or change its permissions"
    return ""


READABLE = GivenPath()
"""A path to read; whether it exists is checked by the reader, whose message is more precise."""
OUT_FOLDER = GivenPath(new_folder=True)
"""A folder to write results to; checked before any work is done."""


def number_option(
    flag: str, kind: click.ParamType[Any], default: float, help_text: str
) -> Callable[[Command], Command]:
    """Return an option for a number whose default the help shows; kind: its type and range."""
    return click.option(flag, type=kind, default=default, show_default=True, help=help_text)


def json_option(command: Command) -> Command:
    """Add `--json`: one JSON document on stdout instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        command
    )


def devices_option(command: Command) -> Command:
    """Add `--devices N`: the number of processes that train together."""
    return number_option(
        "--devices",
        click.IntRange(min=1),
        1,
        "Processes that share every batch: one for each GPU, or all on the CPU.",
    )(command)


def outliers_option(command: Command) -> Command:
    """Add `--outliers TABLE`, repeatable: images of other regions of the body."""
    return click.option(
        "--outliers",
        multiple=True,
        type=READABLE,
        help="Images of other body regions, for the bundle to refuse; labels not needed; "
        "repeatable.",
    )(command)


def bundle_option(command: Command) -> Command:
    """Add `--bundle BUNDLE`, required."""
    return click.option(
        "--bundle", type=READABLE, required=True, help="The bundle's folder (from `ulna export`)."
    )(command)


def engine_option(default: str) -> Callable[[Command], Command]:
    """Return `--engine TEXT`, also read from ULNA_ENGINE, converted to EngineSettings."""

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
        help="Inference engine and precision, as 'openvino:bf16:2' (docs/engines.md).",
    )


def operating_point_option(command: Command) -> Command:
    """Add `--operating-point NAME`; None means the bundle's own."""
    return click.option(
        "--operating-point", help="One of the bundle's. [default: the bundle's own]"
    )(command)


def tested_options(command: Command) -> Command:
    """Add `--split` and `--run`, which choose the studies that a bundle is tested on."""
    for option in (
        click.option(
            "--run", type=READABLE, help="The bundle's run. [default: the folder it lies in]"
        ),
        click.option("--split", type=click.Choice(["valid", "all"]), help="Which studies of DATA."),
    ):
        command = option(command)
    return command


def by_option(help_text: str) -> Callable[[Command], Command]:
    """Return `--by COLUMN[:NUMBER]`, repeatable: groups by a column of the table."""
    return click.option("--by", multiple=True, metavar="COLUMN[:NUMBER]", help=help_text)


def folds_options(command: Command) -> Command:
    """Add `--by`, `--against` and `--only`: groups, comparisons and folds of a cross-validation."""
    for option in (
        click.option(
            "--only", multiple=True, type=int, metavar="FOLD", help="A fold, from 0; repeatable."
        ),
        click.option(
            "--against",
            multiple=True,
            type=READABLE,
            metavar="FOLDER",
            help="Another cross-validation, for paired differences; repeatable.",
        ),
        by_option("Scores by a column of the table too."),
    ):
        command = option(command)
    return command


def recipe_options(command: Command) -> Command:
    """Add `--recipe`, `--encoders`, `--set` and `--initial`, the arguments of `choose_recipe`."""
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
            help="Train an expert of each, in place of the recipe's experts that are not cnn.",
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
