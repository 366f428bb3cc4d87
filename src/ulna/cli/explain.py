"""`ulna explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ulna.cli.options import OUT_FOLDER, READABLE, json_option, number_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import with_progress


@click.command(epilog="The measures and their chance level: docs/metrics.md")
@click.argument("data", type=READABLE)
@click.option("--run", type=READABLE, required=True, help="The run (these methods need torch).")
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for table and pictures.")
@number_option("--studies", click.IntRange(min=1), 60, "Studies compared at most.")
@json_option
def explain(out: Path, as_json: bool, **options: Any) -> None:
    """Compare heat-map methods with the built-in map, where masks or boxes are known.

    Grad-CAM, HiResCAM, LayerCAM and others, on the abnormal studies of DATA that the run has
    not used: how often the maximum lies inside the finding, and how much of the map does.

    \b
    Example:
      ulna explain phantoms --run runs/first --out runs/first/explain
    """
    from ulna.experiments import explain as compare_maps

    scores = with_progress(compare_maps, out=out, **options)
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
