"""How uncertain the answer to an image of another hospital is, from copies of known images.

A copy is a known image changed as another hospital might change it (`disturb`). Its logit moves
away from the image's own; the farther the copy lies from the known images, the more. The slack is a
conformal quantile of that movement over the distance (locally weighted, as in Papadopoulos,
Vovk and Gammerman 2011, Regression conformal prediction with nearest neighbours) among the copies
beyond the limit, since these alone would be given an interval: for nine in ten of them the image's
own answer lies inside the interval that the copy's states.
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

# Share of copies whose image's own answer lies outside their interval.
MISSED = 0.10
# Fewer copies beyond the limit say nothing: all are looked at then.
MIN_NEAR = 30
Movement = tuple[float, float]
"""Of a copy: its distance over the limit, and by how many calibrated logits its answer moves."""


def movements(
    outputs: Sequence[StudyOutputs],
    out_of_distribution: OodDetector,
    fusion: FusionParameters,
    manifest: Manifest,
) -> list[Movement]:
    """Of every copy that the bundle can measure."""
    result = []
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
            result.append((distance, abs(copy - own)))
    return result


def margin_of(moved: Sequence[Movement]) -> float:
    """What nine movements in ten over their distance do not exceed; 0 without any.

    Of the copies beyond the limit; of all, over at least the limit, where these are fewer than 30.
    """
    near = [m for m in moved if m[0] > 1]
    chosen = near if len(near) >= MIN_NEAR else moved
    shares = np.array([logits / max(distance, 1.0) for distance, logits in chosen])
    return conformal_limit(shares, MISSED) if len(shares) else 0.0


def _logit(
    message: Mapping[str, ExpertOutput], column: int, part: BodyPart, fusion: FusionParameters
) -> float:
    raw = sum(
        share * float(message[n].abnormal[column])
        for n, share in fusion.weights[part].items()
        if share
    )
    return (raw + fusion.offsets[part]) / fusion.temperatures[part]
