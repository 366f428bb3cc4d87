"""The fixed scale of a bundle's heat maps: threshold and peak of outlines, and the last colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ulna.calibration.fusion_fit import Fit
from ulna.calibration.part_scores import Floats
from ulna.runtime.fusion import sum_on_finest_grid
from ulna.types import BodyPart

if TYPE_CHECKING:
    from ulna.bundle import Manifest
    from ulna.runtime import ImageOutputs, StudyOutputs

NORMAL_PERCENTILE = 99.0
NORMAL_PEAK_PERCENTILE = 90.0
ABNORMAL_PERCENTILE = 90.0
_SMALLEST_LIMIT = 1.0


def fit_map_scale(
    outputs: Sequence[StudyOutputs], fits: Mapping[BodyPart, Fit], manifest: Manifest
) -> tuple[float, float, float]:
    """Fit (map_threshold, map_peak, map_limit), in calibrated logits.

    Threshold: the 99th percentile of all cells of the normal studies' maps. Peak: the 90th
    percentile of their largest cells, so that at most one normal image in ten has an outline. A
    percentile of all cells alone does not ensure that, since attention concentrates a map in few
    cells. Limit: the 90th percentile of the abnormal studies' largest cells, so that one map in ten
    saturates. All are positive, the peak is at least the threshold, and the limit at least 1 and
    twice the threshold.
    """
    normal: list[Floats] = []
    peaks: dict[bool, list[float]] = {False: [], True: []}
    for output in outputs:
        part = output.study.body_part
        if part is None or part not in fits or output.study.abnormal is None:
            continue
        for image in output.images:
            grid = fused_grid(image, fits[part], manifest, part)
            peaks[output.study.abnormal].append(float(grid.max()))
            if not output.study.abnormal:
                normal.append(grid.ravel())
    threshold = np.percentile(np.concatenate(normal), NORMAL_PERCENTILE) if normal else 0.0
    peak = np.percentile(peaks[False], NORMAL_PEAK_PERCENTILE) if normal else 0.0
    limit = np.percentile(peaks[True], ABNORMAL_PERCENTILE) if peaks[True] else 0.0
    threshold = max(float(threshold), 0.05 * _SMALLEST_LIMIT)
    return (
        threshold,
        max(float(peak), threshold),
        max(float(limit), _SMALLEST_LIMIT, 2 * threshold),
    )


def fused_grid(image: ImageOutputs, fit: Fit, manifest: Manifest, part: BodyPart) -> Floats:
    """Return the map of one image on the finest grid, fused as in `ulna.runtime`."""
    column = manifest.body_parts.index(part)
    cams = [image.experts[e.name].cam[column].astype(np.float64) for e in manifest.experts]
    gains = fit.weights / fit.temperature
    # An expert without weight is not run in a prediction, so its grid must not set the size here.
    return sum_on_finest_grid([g * c for g, c in zip(gains, cams, strict=True) if g > 0])
