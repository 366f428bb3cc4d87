"""`ulna explain`."""

from __future__ import annotations

from pathlib import Path

import click

from ulna.cli.extras import require
from ulna.cli.held_out import test_studies
from ulna.cli.options import OUT_FOLDER, READABLE, json_option
from ulna.cli.output import check_outputs, print_json, print_table
from ulna.cli.progress import progress


@click.command(epilog="The measures and their chance level: docs/metrics.md")
@click.argument("data", type=READABLE)
@click.option("--run", type=READABLE, required=True, help="The run (these methods need torch).")
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for table and pictures.")
@click.option(
    "--studies", type=click.IntRange(min=1), default=60, show_default=True, help="At most."
)
@json_option
def explain(data: Path, run: Path, out: Path, studies: int, as_json: bool) -> None:
    """Compare heat-map methods with the built-in map, where masks or boxes are known.

    Grad-CAM, HiResCAM, LayerCAM and others, on the abnormal studies of DATA that the run has
    not used: how often the maximum lies inside the finding, how much of the map does.

    \b
    Example:
      ulna explain phantoms --run runs/first --out runs/first/explain
    """
    require("train", "explain")
    from ulna.attribution.methods import compare_methods
    from ulna.datasets import index_data

    check_outputs(out, "explain.json", "explain.csv", "explain.png")
    chosen, words = test_studies(index_data(data), "", run)
    click.echo(f"comparing on {words}", err=True)
    with progress() as report:
        scores = compare_methods(
            run, chosen, out, limit=studies, progress=lambda d, n: report("explain", d, n)
        )
    if as_json:
        print_json(scores)
        return
    rows = [
        [
            f"{s.expert}, {s.method}",
            f"{s.pointing_game:.3f} ({s.pointing_game_chance:.3f})",
            f"{s.energy_inside:.3f} ({s.energy_inside_chance:.3f})",
            f"{s.iou:.3f} ({s.iou_chance:.3f})",
            f"{s.milliseconds:.0f} ms",
        ]
        for s in scores
    ]
    columns = ["expert, method", "pointing game", "energy inside", "IoU", "time"]
    print_table("in brackets: chance", columns, rows)
    click.echo(f"pictures and table: {out}")
