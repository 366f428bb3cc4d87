"""From experts' logits and maps to one calibrated answer: linear, so the map stays exact.

With routing weights pi_p, convex expert weights w[p, e], offsets o_p and temperatures T_p::

    z    = sum_p pi_p / T_p * (sum_e w[p, e] * logit[e, p] + o_p)
    map  = sum_p pi_p / T_p *  sum_e w[p, e] * cam[e, p]            (on the finest grid)
    bias = sum_p pi_p / T_p * (sum_e w[p, e] * bias[e, p]  + o_p)

so z = mean(map) + bias, because every expert has logit = mean(cam) + bias and the change of
grid keeps the mean.
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
    """What one expert says of one image, in logits: P body parts, F categories, map (h, w).

    abnormal: (P,) = mean of cam (P, h, w) + bias. body_part: (P,). finding: (F,) = mean of
    finding_cam (F, h, w) + bias. features: (C,), means of the encoder's stages. looked: (K,), means
    of what the abnormal head reads. features, finding_cam and looked are empty, (0,) and (0, 1, 1),
    from a graph that does not give them; looked comes from graphs made to be adapted alone.
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
    """The hybrid's answer for one image: logit = mean(grid) + bias, calibrated.

    grid: (h, w) float32. experts: each one's routed logit, uncalibrated. Which finding it is:
    `ulna.runtime.findings`.
    """

    logit: float
    bias: float
    grid: Array
    experts: dict[str, float]


def routing_weights(
    body_part_logits: npt.ArrayLike, parts: Sequence[BodyPart], given: BodyPart | None
) -> Floats:
    """(P,) weights >= 0 with sum 1: which body part's heads answer.

    body_part_logits: (N, P), one row for each expert and view; their mean decides. given: the
    part is known and takes all the weight. Raises ConfigError for a part not in `parts`.
    """
    if given is not None:
        if given not in parts:
            raise ConfigError(
                f"body part {given}: the bundle knows {', '.join(parts)}; use another bundle, "
                "or let it recognise the part"
            )
        return np.array([float(p == given) for p in parts])
    return part_probabilities(body_part_logits)


def part_probabilities(body_part_logits: npt.ArrayLike) -> Floats:
    """(P,) softmax of the mean over the rows of (N, P) body-part logits."""
    mean = np.asarray(body_part_logits, dtype=np.float64).mean(axis=0)
    share = np.exp(mean - mean.max())
    return np.asarray(share / share.sum(), dtype=np.float64)


def active_experts(manifest: Manifest, part: BodyPart | None) -> list[str]:
    """Names of the experts with a weight above 0 for `part`, or for any part if it is None."""
    weights = manifest.fusion.weights
    parts = manifest.body_parts if part is None else (part,)
    return [e.name for e in manifest.experts if any(weights[p][e.name] > 0 for p in parts)]


def fuse_image(
    outputs: Mapping[str, ExpertOutput], routing: Floats, manifest: Manifest
) -> FusedImage:
    """Fuse what the experts say of one image.

    outputs: by expert's name; those with a weight above 0 must be there. routing: (P,).
    """
    fusion, parts = manifest.fusion, manifest.body_parts
    gain = routing / np.array([fusion.temperatures[p] for p in parts])
    offset = float(gain @ [fusion.offsets[p] for p in parts])
    logit, bias = offset, offset
    cams: list[Floats] = []
    for expert in manifest.experts:
        shares = np.array([fusion.weights[p][expert.name] for p in parts])
        # A body part that routing leaves out asks nothing of the experts.
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
    """Sum of maps (h, w) over the same square, on the finest of their grids.

    Each keeps its mean: the coarse cells are shared out by area.
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
