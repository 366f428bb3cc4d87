"""`ulna info`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna import __version__
from ulna.cli.options import READABLE, json_option
from ulna.cli.output import print_json, print_table
from ulna.config.meaning import answer_words

if TYPE_CHECKING:
    from ulna.bundle import Manifest


@click.command()
@click.argument("path", required=False, type=READABLE, metavar="[BUNDLE|DATA]")
@json_option
def info(path: Path | None, as_json: bool) -> None:
    """Describe a bundle or a data set; without a path, what is installed.

    A bundle is read and verified (every file against its hash); without a path it is the one that
    comes with ulna. For data, studies and images are counted by split, body part and label.

    \b
    Examples:
      ulna info
      ulna info runs/demo/bundle
      ulna info MURA-v1.1 --json
    """
    if path is None:
        _print_installation(as_json)
    elif (path / "manifest.json").is_file():
        _print_bundle(path, as_json)
    else:
        _print_data(path, as_json)


def _print_installation(as_json: bool) -> None:
    from ulna.experiments import describe_installation

    installed = describe_installation()
    extras, box = installed["extras"], installed["box"]
    if as_json:
        print_json(installed)
        return
    packages = ", ".join(f"{k} {v or '(none)'}" for k, v in installed["packages"].items())
    click.echo(f"ulna {__version__}, Python {installed['python']}, {packages}")
    print_table(
        "extras", ["extra", "installed"], [[k, "yes" if v else "no"] for k, v in extras.items()]
    )
    click.echo(f"bundle in the package: {box['bundle']}, hash {box['hash'][:12]}: verified")
    click.echo(box["intended_use"])
    _print_engines(installed["engines"])
    rows = [[k, v] for k, v in installed["recipes"].items()]
    print_table("recipes", ["name", "description"], rows)


def _print_engines(engines: dict[str, Any]) -> None:
    rows = [[n, e["version"], ", ".join(e["offers"])] for n, e in engines["found"].items()]
    print_table("engines", ["engine", "version", "providers or precisions"], rows)
    click.echo(f"engine 'auto' is {engines['auto']} here, on {engines['cores']} cores")


def _print_bundle(path: Path, as_json: bool) -> None:
    from ulna.bundle import map_verdict, read_bundle
    from ulna.bundle.distilled import distilled_lines
    from ulna.bundle.quantisation import quantisation_lines
    from ulna.cli.calibrate import (
        cascade_line,
        findings_lines,
        out_of_distribution_line,
        print_fusion,
    )

    bundle = read_bundle(path)
    manifest = bundle.manifest
    if as_json:
        print_json({"kind": "bundle", "hash": bundle.hash, "manifest": manifest})
        return
    click.echo(f"bundle {manifest.name}, {manifest.created}, hash {bundle.hash[:12]}: verified")
    if manifest.demonstration:
        click.echo("DEMONSTRATION: trained on simulated images only; not for use on patients")
    click.echo(f"body parts: {', '.join(manifest.body_parts)}; input {manifest.input_spec.size} px")
    click.echo(f"answers: {' or '.join(answer_words(manifest.abnormal_means))}")
    data = manifest.data
    click.echo(
        f"trained on {data.kind} {data.name!r}: {data.n_studies} studies, {data.n_images} images"
    )
    _print_experts(manifest)
    print_fusion(manifest.fusion)
    if manifest.quantisation is not None:
        click.echo("\n".join(quantisation_lines(manifest.quantisation)))
    click.echo("\n".join(findings_lines(manifest)))
    if manifest.distilled is not None:
        click.echo("\n".join(distilled_lines(manifest.distilled)))
    click.echo(map_verdict(manifest.map_examination))
    click.echo(out_of_distribution_line(manifest))
    click.echo(cascade_line(manifest))
    click.echo(f"operating point {manifest.operating_point}; {manifest.intended_use}")


def _print_experts(manifest: Manifest) -> None:
    rows = [
        [
            e.name,
            e.encoder,
            e.initial.kind,
            f"{e.grid[0]}x{e.grid[1]}",
            f"{e.parameters / 1e6:.1f} M, {e.weights}",
        ]
        for e in manifest.experts
    ]
    print_table("experts", ["name", "encoder", "initial weights", "map", "parameters"], rows)


def _print_data(path: Path, as_json: bool) -> None:
    from ulna.datasets import data_kind, index_data
    from ulna.experiments import count_studies

    kind = data_kind(path)
    studies = index_data(path)
    counts = count_studies(studies)
    if as_json:
        print_json({"kind": kind, "studies": len(studies), "groups": counts})
        return
    patients = len({s.patient_id for s in studies})
    images = sum(len(s.images) for s in studies)
    click.echo(f"{kind}: {len(studies)} studies of {patients} patients, {images} images")
    columns = ["body part", "split", "normal", "abnormal", "unlabelled", "images"]
    rows = [[str(row[c.replace(" ", "_")]) for c in columns] for row in counts]
    print_table("", columns, rows)
