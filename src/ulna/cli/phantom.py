"""`ulna phantom`."""

from __future__ import annotations

from pathlib import Path

import click

from ulna.cli.extras import require
from ulna.cli.options import READABLE, body_part_names, json_option
from ulna.cli.output import print_json
from ulna.cli.progress import progress


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
    type=click.Choice(body_part_names(), case_sensitive=False),
    help="A body part; repeat for more. [default: ELBOW, HUMERUS, WRIST]",
)
@click.option(
    "--valid-share",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="Share of studies in valid/; 1 for a pure test set.",
)
@click.option(
    "--workers", type=click.IntRange(min=0), default=0, show_default="one per core", help="At once."
)
@json_option
def phantom(
    out: Path,
    studies: int,
    seed: int,
    size: int,
    parts: tuple[str, ...],
    valid_share: float,
    workers: int,
    as_json: bool,
) -> None:
    """Write simulated radiographs with known findings to the folder OUT.

    3-D bones of wrist, elbow and humerus, projected as an X-ray tube would, half of the
    studies with a finding (fracture, hardware, lesion, degeneration, dislocation) and its
    exact mask. OUT has the shape of MURA, with truth.csv beside it.

    \b
    Examples:
      ulna phantom phantoms --studies 600 --seed 1
      ulna phantom wrists --studies 100 --seed 2 --parts WRIST --size 320
    """
    require("phantom")
    from ulna.config.phantom import PHANTOM_PARTS, PhantomConfig
    from ulna.phantom import write_phantoms
    from ulna.types import BodyPart

    config = PhantomConfig(
        studies=studies,
        seed=seed,
        parts=tuple(BodyPart.parse(p) for p in parts) or PHANTOM_PARTS,
        size=size,
        valid_share=valid_share,
    )
    with progress() as report:
        written = write_phantoms(
            out, config, workers=workers, progress=lambda d, n: report("phantoms", d, n)
        )
    if as_json:
        print_json({"folder": written, "config": config})
    else:
        click.echo(f"{studies} studies in {written}")
