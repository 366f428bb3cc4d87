"""`ulna phantom`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.options import READABLE, json_option
from ulna.cli.output import print_json
from ulna.cli.progress import progress
from ulna.experiments.extras import require

if TYPE_CHECKING:
    from ulna.config.phantom import Framing
    from ulna.types import BodyPart


@click.command(
    epilog="The folder can be given to every verb that takes DATA. See docs/phantoms.md."
)
@click.argument("out", type=READABLE)
@click.option("--studies", type=click.IntRange(min=1), required=True, help="How many, all parts.")
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Same seed, same bytes.")
@click.option("--size", type=int, default=224, show_default=True, help="Longest side, px.")
@click.option(
    "--parts",
    multiple=True,
    metavar="PARTS",
    help="Body parts, comma separated, or 'all'; may be repeated. [default: ELBOW, HUMERUS, WRIST]",
)
@click.option(
    "--framing",
    type=click.Choice(["collimated", "plate"]),
    default="collimated",
    show_default=True,
    help="Filled by the body part, or a whole 35 x 43 cm cassette.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="ACCIDENTS",
    help="Leave out cast, jewellery, marker, inverted, borders, streaks, enhancement or holder.",
)
@click.option(
    "--findings",
    multiple=True,
    metavar="FINDINGS",
    help="What abnormal studies show: fracture, hardware, ... [default: all]",
)
@click.option(
    "--valid-share",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="Share of studies in valid/; 1 for a pure test set.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default="one for each core that it may use",
    help="At once.",
)
@json_option
def phantom(
    out: Path,
    studies: int,
    seed: int,
    size: int,
    parts: tuple[str, ...],
    framing: Framing,
    without: tuple[str, ...],
    findings: tuple[str, ...],
    valid_share: float,
    workers: int,
    as_json: bool,
) -> None:
    """Write simulated radiographs with known findings to the folder OUT.

    3-D bones of the arm, projected as an X-ray tube would, half of the
    studies with a finding (fracture, hardware, lesion, degeneration, dislocation) and its
    exact mask. OUT has the shape of MURA, with truth.csv beside it.

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
        studies=studies,
        seed=seed,
        parts=_parts(parts) or PHANTOM_PARTS,
        size=size,
        valid_share=valid_share,
        framing=framing,
        **_chosen(without, findings),
    )
    with progress() as report:
        written = write_phantoms(
            out, config, workers=workers, progress=lambda d, n: report("phantoms", d, n)
        )
    if as_json:
        print_json({"folder": written, "config": config})
    else:
        click.echo(f"{studies} studies in {written}")


def _names(given: Sequence[str]) -> list[str]:
    """Names between commas, of an option that may be repeated."""
    return [name.strip() for text in given for name in text.split(",")]


def _chosen(without: Sequence[str], findings: Sequence[str]) -> dict[str, Any]:
    """The settings of `--without` and `--findings`, where given."""
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


def _parts(given: tuple[str, ...]) -> tuple[BodyPart, ...]:
    """The body parts of `--parts`: names between commas, in their order, or 'all'."""
    from ulna.config.phantom import ALL_PHANTOM_PARTS
    from ulna.types import BodyPart

    names = _names(given)
    if [name.lower() for name in names] == ["all"]:
        return ALL_PHANTOM_PARTS
    return tuple(BodyPart.parse(name) for name in names)
