"""Fuse the experts' logits and heat maps into one calibrated prediction per image.

With routing weights pi_p, convex expert weights w[p, e], offsets o_p and temperatures T_p::

    z    = sum_p pi_p / T_p * (sum_e w[p, e] * logit[e, p] + o_p)
    map  = sum_p pi_p / T_p *  sum_e w[p, e] * cam[e, p]            (on the finest grid)
    bias = sum_p pi_p / T_p * (sum_e w[p, e] * bias[e, p]  + o_p)

so z = mean(map) + bias, because the fusion is linear, every expert has logit = mean(cam) + bias,
and resampling to another grid keeps the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ulna.bundle.manifest import Manifest
from ulna.errors import ConfigError
from ulna.imaging.geometry import area_matrix
from ulna.types import Array, BodyPart

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ExpertOutput:
    """The output of one expert for one image, in logits: P body parts, F categories, maps (h, w).

    abnormal: (P,) = mean of cam (P, h, w) + bias. body_part: (P,). finding: (F,) = mean of
    finding_cam (F, h, w) + bias. features: (C,) means of the encoder's stages. attended: (K,)
    inputs of the abnormal head, only from graphs made for adaptation. features, finding_cam and
    attended are empty, of shapes (0,) and (0, 1, 1), if the graph does not give them.
    """

    abnormal: Array
    body_part: Array
    finding: Array
    cam: Array
    features: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    finding_cam: Array = field(default_factory=lambda: np.zeros((0, 1, 1), np.float32))
    attended: Array = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True)
class FusedImage:
    """The hybrid's prediction for one image: calibrated logit = mean(grid) + bias.

    grid: (h, w) float32. experts: routed uncalibrated logit of each expert. For the categories see
    `ulna.runtime.findings`.
    """

    logit: float
    bias: float
    grid: Array
    experts: dict[str, float]


def routing_weights(
    body_part_logits: npt.ArrayLike, parts: Sequence[BodyPart], known_part: BodyPart | None
) -> Floats:
    """Return (P,) weights >= 0 with sum 1 of the body parts' heads.

    body_part_logits: (N, P), one row for each expert and view; the softmax of their mean is used.
    known_part: the body part if it is in the data; it takes all the weight. Raises ConfigError for
    one that is not in `parts`.
    """
    if known_part is not None:
        if known_part not in parts:
            raise ConfigError(
                f"body part {known_part}: the bundle knows {', '.join(parts)}; use another bundle, "
                "or let it recognise the part"
            )
        return np.array([float(p == known_part) for p in parts])
    return part_probabilities(body_part_logits)


def part_probabilities(body_part_logits: npt.ArrayLike) -> Floats:
    """Return the (P,) softmax of the mean over the rows of (N, P) body-part logits."""
    mean = np.asarray(body_part_logits, dtype=np.float64).mean(axis=0)
    share = np.exp(mean - mean.max())
    return np.asarray(share / share.sum(), dtype=np.float64)


def active_experts(manifest: Manifest, part: BodyPart | None) -> list[str]:
    """Return the experts with a weight above 0 for `part`, or for any part if it is None."""
    weights = manifest.fusion.weights
    parts = manifest.body_parts if part is None else (part,)
    return [e.name for e in manifest.experts if any(weights[p][e.name] > 0 for p in parts)]


def fuse_image(
    outputs: Mapping[str, ExpertOutput], routing: Floats, manifest: Manifest
) -> FusedImage:
    """Fuse the experts' outputs for one image.

    outputs: by expert; those with a weight above 0 are required. routing: (P,).
    """
    fusion, parts = manifest.fusion, manifest.body_parts
    gain = routing / np.array([fusion.temperatures[p] for p in parts])
    offset = float(gain @ [fusion.offsets[p] for p in parts])
    logit, bias = offset, offset
    cams: list[Floats] = []
    for expert in manifest.experts:
        shares = np.array([fusion.weights[p][expert.name] for p in parts])
        # Experts without weight for the routed body parts may be missing.
        if not (shares * routing).any():
            continue
        output, weights = outputs[expert.name], gain * shares
        logit += float(weights @ output.abnormal)
        bias += float(weights @ [expert.biases[p] for p in parts])
        cams.append(np.tensordot(weights, output.cam.astype(np.float64), axes=1))
    return FusedImage(
        logit=logit,
        bias=bias,
        grid=sum_on_finest_grid(cams).astype(np.float32),
        experts={n: float(routing @ o.abnormal) for n, o in outputs.items()},
    )


def sum_on_finest_grid(maps: Sequence[Floats]) -> Floats:
    """Return the sum of maps (h, w) of the same square, on the finest of their grids.

    Coarse cells are distributed by area, so that each map keeps its mean.
    """
    height, width = max(m.shape[0] for m in maps), max(m.shape[1] for m in maps)
    total = np.zeros((height, width))
    for grid in maps:
        if grid.shape == total.shape:
            total += grid
        else:
            rows, columns = area_matrix(grid.shape[0], height), area_matrix(grid.shape[1], width)
            total += rows @ grid @ columns.T
    return total
