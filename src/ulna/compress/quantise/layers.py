"""The choice of layers for int8: the most sensitive stay in fp32 until the answers agree.

The sensitivity of a layer is the change of the abnormal logits when only this layer is int8.
Squared errors of layers add up, and a layer in int8 saves time in proportion to its
multiplications. So the layers with the largest squared sensitivity per multiplication stay in fp32.
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
"""Shares of each expert's layers that stay in fp32, tried in turn."""
# Share of images that must agree. The gate requires more of the studies, which average over images.
_AGREES = 0.97
_N_SENSITIVITY = 16


def order_layers(
    quantiser: GraphQuantiser,
    graph: Path,
    images: Array,
    engine: EngineSettings,
    progress: Callable[[int, int], None],
) -> list[str]:
    """Sort the graph's layers, those to keep in fp32 first. images: (B, 1, S, S), 16 are used."""
    images = images[:_N_SENSITIVITY]
    before = _logits(Session(graph, engine).run(images))
    sensitivity = {}
    for done, layer in enumerate(quantiser.layers, start=1):
        after = _logits(Session(quantiser.quantised([layer]), engine).run(images))
        sensitivity[layer] = float(np.mean((after - before) ** 2)) / quantiser.costs[layer]
        progress(done, len(quantiser.layers))
    return sorted(sensitivity, key=lambda layer: -sensitivity[layer])


def choose_layers(
    quantisers: Mapping[str, GraphQuantiser],
    orders: Mapping[str, list[str]],
    originals: Mapping[str, Path],
    images: PreparedImages,
    manifest: Manifest,
    engine: EngineSettings,
    least: float = 0.0,
) -> dict[str, list[str]]:
    """Choose for each expert the layers that become int8: as many as keep the images' answers.

    orders: of `order_layers`. least: smallest share of the layers that stays in fp32. Where the
    answers do not agree even with the last of SHARES_LEFT, that one is taken, and the gate decides.
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
    """Return the calibrated probability (B,) of each image."""
    by_expert = {n: Session(graph, engine).run(images.pixels) for n, graph in graphs.items()}
    probabilities = []
    for k, part in enumerate(images.parts):
        outputs = {n: o[k] for n, o in by_expert.items()}
        known = part if part in manifest.body_parts else None
        routing = routing_weights(
            [o.body_part for o in outputs.values()], manifest.body_parts, known
        )
        probabilities.append(float(sigmoid(fuse_image(outputs, routing, manifest).logit)))
    return np.array(probabilities)
