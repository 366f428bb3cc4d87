"""`quantise_bundle`: quantise a bundle to int8 and test it against the original."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ulna.bundle import (
    ModelBundle,
    check_replaceable,
    read_bundle,
    read_out_of_distribution,
    replace_fusion,
    write_bundle,
)
from ulna.bundle.quantisation import Quantisation
from ulna.compress.quantise.gate import auroc_pair, pointing_pair, probability_changes
from ulna.compress.quantise.images import draw_images
from ulna.compress.quantise.layers import choose_layers, order_layers
from ulna.config.bounds import Count, Seed, Share, check_fields
from ulna.config.engine import PORTABLE, EngineSettings
from ulna.errors import BundleError
from ulna.evaluation.collect import collect_rows
from ulna.runtime import Predictor
from ulna.runtime.session.quantiser import METHOD, GraphQuantiser
from ulna.types import Study

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class QuantisePlan:
    """Settings of a quantisation. images: largest number of training images for the ranges.

    chosen_by: number of images for the choice of layers. seed: of the draw. left: smallest share of
    each expert's layers that stays in fp32. engine: for sensitivities and the gate.
    """

    images: Count = 128
    chosen_by: Count = 96
    seed: Seed = 0
    left: Share = 0.0
    engine: EngineSettings = PORTABLE

    def __post_init__(self) -> None:
        check_fields(self, "quantisation")


def quantise_bundle(
    bundle_path: Path,
    training: Sequence[Study],
    held_out: Sequence[Study],
    out: Path,
    plan: QuantisePlan,
    progress: Progress,
) -> tuple[ModelBundle | None, Quantisation]:
    """Quantise a bundle to int8 and write it to `out` if the gate accepts it.

    Returns the int8 bundle and the gate's figures. The bundle is None, and nothing is written, if
    the gate refuses it. training: studies that the experts learned from. held_out: labelled studies
    that they did not learn from. Fusion, thresholds, cascade and feature statistics are carried
    over; an examination of the maps is not. Raises BundleError for a bundle that is int8 already
    and for an `out` that is the bundle itself or holds anything but a bundle, DatasetError,
    ConfigError.
    """
    bundle = read_bundle(bundle_path)
    if out.resolve() == bundle_path.resolve():
        raise BundleError(f"{out}: is the fp32 bundle itself: give a new folder for the int8 one")
    check_replaceable(out)
    if bundle.manifest.quantisation is not None:
        raise BundleError(f"{bundle_path}: is int8 already: expected a bundle with fp32 graphs")
    predictor = Predictor.load(bundle_path, plan.engine)
    graphs, layers, left, n_images = _quantised(bundle, training, plan, progress)
    point = bundle.manifest.operating_point
    before, _ = collect_rows(predictor, held_out, point, partial(progress, "held out, fp32"))
    int8 = predictor.with_graphs(graphs)
    after, _ = collect_rows(int8, held_out, point, partial(progress, "held out, int8"))
    change, within, n_studies = probability_changes(before, after)
    figures = Quantisation(
        method=METHOD,
        n_images=n_images,
        layers=layers,
        left=left,
        engine=str(replace(predictor.engine, threads=0)),
        n_studies=n_studies,
        change=change,
        within=within,
        auroc=auroc_pair(before, after),
        pointing=pointing_pair(before, after),
    )
    return (_write(bundle, graphs, figures, out) if figures.accepted else None), figures


def _quantised(
    bundle: ModelBundle, training: Sequence[Study], plan: QuantisePlan, progress: Progress
) -> tuple[dict[str, bytes], dict[str, int], dict[str, int], int]:
    """Return int8 graphs, numbers of int8 and fp32 layers of each, and number of images used."""
    manifest = bundle.manifest
    images = draw_images(training, plan.images, manifest.input_spec, plan.seed)
    chosen_by = draw_images(training, plan.chosen_by, manifest.input_spec, plan.seed + 1)
    originals = {e.name: bundle.graph_path(e) for e in manifest.experts}
    quantisers, orders = {}, {}
    for name, graph in originals.items():
        quantisers[name] = GraphQuantiser(graph, images.pixels)
        step = partial(progress, f"sensitivity of {name}")
        orders[name] = order_layers(quantisers[name], graph, chosen_by.pixels, plan.engine, step)
    chosen = choose_layers(
        quantisers, orders, originals, chosen_by, manifest, plan.engine, plan.left
    )
    graphs = {n: quantisers[n].quantised(layers) for n, layers in chosen.items()}
    counts = {n: len(layers) for n, layers in chosen.items()}
    left = {n: len(quantisers[n].layers) - k for n, k in counts.items()}
    return graphs, counts, left, len(images.pixels)


def _write(
    bundle: ModelBundle, graphs: dict[str, bytes], figures: Quantisation, out: Path
) -> ModelBundle:
    """Write the bundle with its new graphs and the figures, without the old examination."""
    manifest = replace(bundle.manifest, quantisation=figures, map_examination=None)
    new = write_bundle(manifest, graphs, out)
    out_of_distribution = read_out_of_distribution(bundle)
    if out_of_distribution is None:
        return new
    return replace_fusion(
        new, manifest.fusion, manifest.metrics, out_of_distribution, manifest.cascade
    )
