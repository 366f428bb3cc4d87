"""Acceptance test at export: ONNX and torch agree, and every map adds up to its logit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ulna.config.input_spec import InputSpec
from ulna.errors import BundleError
from ulna.models import Expert
from ulna.models.test_time_augmentation import TestTimeAugmentation
from ulna.runtime.fusion import ExpertOutput
from ulna.types import Array

TOLERANCE = 1e-4
# Relative to a map's largest cell: the softmax of an attention turns an absolute difference of its
# scores, up to 1e-4, into a relative one of its cells. Their mean, the logit, must meet TOLERANCE.
_MAP_TOLERANCE = 1e-3
_BATCH = 3


@dataclass(frozen=True)
class Parity:
    """Errors of an exported graph.

    parity_error: largest difference of torch and ONNX as in `check_parity`, where _MAP_TOLERANCE of
    a map counts as TOLERANCE. completeness_error: largest |mean(map) + bias - logit| of both, in
    logits, over the abnormal map and each category's.
    """

    parity_error: float
    completeness_error: float


def parity_images(spec: InputSpec, seed: int = 0) -> Array:
    """Return (3, 1, S, S) float32: seeded clouds and noise in the range of prepared radiographs."""
    rng = np.random.default_rng(seed)
    cells = -(-spec.size // 8)
    clouds = np.kron(rng.random((_BATCH, 1, 8, 8)), np.ones((cells, cells)))
    pixels = 0.7 * clouds[..., : spec.size, : spec.size]
    pixels += 0.3 * rng.random((_BATCH, 1, spec.size, spec.size))
    return np.asarray((pixels - spec.mean) / spec.std, dtype=np.float32)


def check_parity(
    expert: Expert | TestTimeAugmentation, images: Array, onnx: Sequence[ExpertOutput], name: str
) -> Parity:
    """Compare `expert` (torch) on `images` with its graph's outputs `onnx`, one per image.

    Logits and features must agree within 1e-4, relative to the largest of their kind where that is
    above 1, since single precision has seven digits. The cells of a map, which may be in the
    thousands, must agree within 1e-3 of the largest likewise. Raises BundleError.
    """
    with torch.inference_mode():
        out = expert(torch.from_numpy(images))
    logits = (out.abnormal_BP, out.body_part_BP, out.finding_BF)
    outputs = (*logits, out.cam_BPhw, out.features_BC, out.finding_cam_BFhw)
    torch_outputs = [
        ExpertOutput(*(np.asarray(values[i]) for values in outputs)) for i in range(len(images))
    ]
    parity = _worst(_difference(a, b) for a, b in zip(torch_outputs, onnx, strict=True))
    bias, finding_bias = (
        b.detach().double().numpy() for b in (expert.bias_P, expert.finding_bias_F)
    )
    completeness = _worst(
        _incompleteness(*part)
        for o in [*torch_outputs, *onnx]
        for part in ((o.cam, bias, o.abnormal), (o.finding_cam, finding_bias, o.finding))
    )
    for what, error in (("torch and ONNX differ by", parity), ("map and logit by", completeness)):
        if not error <= TOLERANCE:  # also refuses nan
            raise BundleError(
                f"expert {name!r}: {what} {error:.2g}: expected at most {TOLERANCE:g}; "
                "its weights may not be finite, or its encoder does not export faithfully"
            )
    return Parity(parity, completeness)


def _difference(a: ExpertOutput, b: ExpertOutput) -> float:
    pairs = ((a.abnormal, b.abnormal), (a.body_part, b.body_part), (a.finding, b.finding))
    errors = [_relative(x, y) for x, y in (*pairs, (a.features, b.features))]
    maps = ((a.cam, b.cam), (a.finding_cam, b.finding_cam))
    return _worst([*errors, *(_relative(x, y) * TOLERANCE / _MAP_TOLERANCE for x, y in maps)])


def _relative(x: Array, y: Array) -> float:
    """Return the largest difference, relative to the largest value of `x` where that is above 1."""
    return _largest(x - y) / max(1.0, _largest(x))


def _incompleteness(cam: Array, bias: npt.NDArray[np.float64], logit: Array) -> float:
    mean = cam.astype(np.float64).mean(axis=(1, 2)) if len(cam) else np.zeros(0)
    return _largest(mean + bias - logit)


def _worst(errors: Iterable[float]) -> float:
    """Return the largest error; nan if any is, which the builtin `max` would ignore."""
    return float(np.max(list(errors)))


def _largest(values: npt.NDArray[np.floating]) -> float:
    return float(np.abs(values).max()) if values.size else 0.0
