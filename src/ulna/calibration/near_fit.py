"""The uncertainty margin of images near the training distribution, from changed known images.

A copy is a known image changed as another hospital might change it (`disturb`). Its logit differs
from that of the original, and the more so, the farther the copy lies from the known images. The
margin is a conformal quantile of |change of the logit| / distance (normalised as in Papadopoulos,
Vovk and Gammerman 2011, Regression conformal prediction with nearest neighbours). It is fitted on
copies beyond the limit of distance, since only such images are answered with an interval: for
nine in ten of them the interval of the copy contains the answer to the original.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ulna.bundle import FusionParameters, OodDetector
from ulna.calibration.conformal_limit import conformal_limit

if TYPE_CHECKING:
    from ulna.bundle import Manifest
    from ulna.runtime import StudyOutputs
    from ulna.runtime.fusion import ExpertOutput
    from ulna.types import BodyPart

# Share of copies whose interval does not contain the answer to the original.
MISSED = 0.10
# With fewer copies beyond the limit, all copies are taken.
MIN_NEAR = 30
Movement = tuple[float, float]
"""Of a copy: its distance divided by the limit, and |change of the calibrated logit|."""


def movements(
    outputs: Sequence[StudyOutputs],
    out_of_distribution: OodDetector,
    fusion: FusionParameters,
    manifest: Manifest,
) -> list[Movement]:
    """Return the movement of every copy whose distance the bundle can measure."""
    moved = []
    for output in outputs:
        part = output.study.body_part
        if part is None or part not in manifest.body_parts:
            continue
        for image in output.images:
            distance = out_of_distribution.score(
                {n: o.features for n, o in image.disturbed.items()}
            )
            if distance is None:
                continue
            column = manifest.body_parts.index(part)
            own, copy = (_logit(o, column, part, fusion) for o in (image.experts, image.disturbed))
            moved.append((distance, abs(copy - own)))
    return moved


def margin_of(moved: Sequence[Movement]) -> float:
    """Return the conformal 90 % quantile of change / distance; 0 without any copy.

    Over the copies beyond the limit. Where these are fewer than 30, over all copies, with
    distances below the limit raised to it.
    """
    near = [m for m in moved if m[0] > 1]
    chosen = near if len(near) >= MIN_NEAR else moved
    shares = np.array([logits / max(distance, 1.0) for distance, logits in chosen])
    return conformal_limit(shares, MISSED) if len(shares) else 0.0


def _logit(
    outputs: Mapping[str, ExpertOutput], column: int, part: BodyPart, fusion: FusionParameters
) -> float:
    weights = fusion.weights[part]
    raw = sum(w * float(outputs[n].abnormal[column]) for n, w in weights.items() if w)
    return (raw + fusion.offsets[part]) / fusion.temperatures[part]
