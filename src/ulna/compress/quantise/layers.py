"""Which layers become int8: the dearest stay in fp32 until the answers agree.

A layer's sensitivity is how far the abnormal logits move when it alone is int8. Errors of layers
add up in squares, and a layer in int8 saves time in proportion to its multiplications: first to
stay in fp32 is the one whose squared sensitivity is largest for what it would save.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ulna.bundle import Manifest
from ulna.bundle.quantisation import PROBABILITY_WITHIN
from ulna.compress.quantise.images import PreparedImages
from ulna.config.engine import EngineSettings
from ulna.metrics.logistic import sigmoid
from ulna.runtime.fusion import ExpertOutput, fuse_image, routing_weights
from ulna.runtime.session import Session
from ulna.runtime.session.quantiser import GraphQuantiser
from ulna.types import Array

SHARES_LEFT = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75)
"""Of each expert's layers, tried in turn."""
# Of the images; the gate asks for more of the studies, which average over images.
_AGREES = 0.97
_SENSED = 16
Progress = Callable[[str, int, int], None]


def order_layers(
    quantiser: GraphQuantiser,
    graph: Path,
    images: Array,
    engine: EngineSettings,
    report: Callable[[int, int], None],
) -> list[str]:
    """The graph's layers, first to stay in fp32 first. images: (B, 1, S, S); 16 are used."""
    few = images[:_SENSED]
    before = _logits(Session(graph, engine).run(few))
    price = {}
    for done, layer in enumerate(quantiser.layers, start=1):
        after = _logits(Session(quantiser.quantised([layer]), engine).run(few))
        price[layer] = float(np.mean((after - before) ** 2)) / quantiser.costs[layer]
        report(done, len(quantiser.layers))
    return sorted(price, key=lambda layer: -price[layer])


def choose_layers(
    quantisers: Mapping[str, GraphQuantiser],
    orders: Mapping[str, list[str]],
    originals: Mapping[str, Path],
    images: PreparedImages,
    manifest: Manifest,
    engine: EngineSettings,
    least: float = 0.0,
) -> dict[str, list[str]]:
    """By expert, the layers that become int8: as many as leave the images' answers alone.

    orders: of `order_layers`. least: share of the layers that stays in fp32 in any case. Where even
    the last of SHARES_LEFT does not agree, it is taken, and the gate has the last word.
    """
    before = _probabilities(originals, images, manifest, engine)
    chosen: dict[str, list[str]] = {}
    for share in (least, *(s for s in SHARES_LEFT if s > least)):
        chosen = {n: order[min(round(share * len(order)), len(order) - 1) :]
                  for n, order in orders.items()}  # fmt: skip
        graphs = {n: quantisers[n].quantised(layers) for n, layers in chosen.items()}
        after = _probabilities(graphs, images, manifest, engine)
        if np.mean(np.abs(after - before) <= PROBABILITY_WITHIN) >= _AGREES:
            break
    return chosen


def _logits(outputs: list[ExpertOutput]) -> Array:
    return np.stack([o.abnormal for o in outputs])


def _probabilities(
    graphs: Mapping[str, Path | bytes],
    images: PreparedImages,
    manifest: Manifest,
    engine: EngineSettings,
) -> Array:
    """(B,) calibrated probability of each image."""
    message = {n: Session(graph, engine).run(images.pixels) for n, graph in graphs.items()}
    result = []
    for k, part in enumerate(images.parts):
        outputs = {n: o[k] for n, o in message.items()}
        known = part if part in manifest.body_parts else None
        routing = routing_weights(
            [o.body_part for o in outputs.values()], manifest.body_parts, known
        )
        result.append(float(sigmoid(fuse_image(outputs, routing, manifest).logit)))
    return np.array(result)
