"""`ulna phantom`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.options import READABLE, json_option, number_option
from ulna.cli.output import print_json
from ulna.cli.progress import progress
from ulna.experiments.extras import require

if TYPE_CHECKING:
    from ulna.types import BodyPart


@click.command(
    epilog="The folder can be given to every command that takes DATA. See docs/phantoms.md."
)
@click.argument("out", type=READABLE)
@click.option("--studies", type=click.IntRange(min=1), required=True, help="Number of studies.")
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Same seed, same bytes.")
@number_option("--size", click.INT, 224, "Longest side, px.")
@click.option(
    "--parts",
    multiple=True,
    metavar="PARTS",
    help="Body parts, comma separated, or 'all'; repeatable. [default: ELBOW, HUMERUS, WRIST]",
)
@click.option(
    "--framing",
    type=click.Choice(["collimated", "plate"]),
    default="collimated",
    show_default=True,
    help="An image filled by the body part, or a whole plate of 35 x 43 cm.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="CONFOUNDERS",
    help="Leave out cast, jewellery, marker, inverted, borders, streaks, enhancement or holder.",
)
@click.option(
    "--findings",
    multiple=True,
    metavar="FINDINGS",
    help="What abnormal studies show: fracture, hardware, ... [default: all]",
)
@number_option(
    "--valid-share",
    click.FloatRange(0, 1),
    0.2,
    "Share of studies in valid/; 1 for a pure test set.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default="one for each usable core",
    help="Parallel processes.",
)
@json_option
def phantom(
    out: Path,
    parts: tuple[str, ...],
    without: tuple[str, ...],
    findings: tuple[str, ...],
    workers: int,
    as_json: bool,
    **settings: Any,
) -> None:
    """Write simulated radiographs with known findings to the folder OUT.

    3-D bones of the arm are projected as by an X-ray tube. Half of the studies have a finding
    (fracture, hardware, lesion, degeneration, dislocation) and its exact mask. OUT has the layout
    of MURA, and truth.csv with the ground truth.

    \b
    Examples:
      ulna phantom phantoms --studies 600 --seed 1
      ulna phantom wrists --studies 100 --seed 2 --parts WRIST --size 320
      ulna phantom arms --studies 700 --seed 3 --parts all --framing plate --size 448
    """
    require("phantom")
    from ulna.config.phantom import PHANTOM_PARTS, PhantomConfig
    from ulna.phantom import write_phantoms

    config = PhantomConfig(
        parts=_parts(parts) or PHANTOM_PARTS, **settings, **_chosen(without, findings)
    )
    with progress() as report:
        written = write_phantoms(
            out, config, workers=workers, progress=lambda d, n: report("phantoms", d, n)
        )
    if as_json:
        print_json({"folder": written, "config": config})
    else:
        click.echo(f"{config.studies} studies in {written}")


def _names(values: Sequence[str]) -> list[str]:
    """Return the comma-separated names of a repeatable option."""
    return [name.strip() for text in values for name in text.split(",")]


def _chosen(without: Sequence[str], findings: Sequence[str]) -> dict[str, Any]:
    """Return the settings of `--without` and `--findings`, where given."""
    from ulna.errors import ConfigError
    from ulna.types import FindingCategory

    chosen: dict[str, Any] = {"without": tuple(n.lower() for n in _names(without))}
    if findings:
        names = [name.lower() for name in _names(findings)]
        known = [c.value for c in FindingCategory]
        for name in names:
            if name not in known:
                raise ConfigError(f"no finding {name!r}: expected some of {', '.join(known)}")
        chosen["findings"] = tuple(map(FindingCategory, names))
    return chosen


def _parts(values: tuple[str, ...]) -> tuple[BodyPart, ...]:
    """Return the body parts of `--parts`: comma-separated names, or 'all'."""
    from ulna.config.phantom import ALL_PHANTOM_PARTS
    from ulna.types import BodyPart

    names = _names(values)
    if [name.lower() for name in names] == ["all"]:
        return ALL_PHANTOM_PARTS
    return tuple(BodyPart.parse(name) for name in names)
