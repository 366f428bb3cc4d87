"""The level at which outlines end, so that they are as large as the findings they surround.

The map of an expert with attention falls off slowly around its maximum. At one level for all,
strong findings would get outlines several times their size. The level is therefore a share of the
region's own maximum, chosen on calibration images whose finding's place is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ulna.calibration.fusion_fit import Fit
from ulna.calibration.map_scale import fused_grid
from ulna.evaluation.truth import truth_or_fault
from ulna.imaging.regions import regions
from ulna.types import Array, BodyPart, Mask

if TYPE_CHECKING:
    from ulna.bundle import Manifest
    from ulna.runtime import StudyOutputs

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
# Largest median ratio of the area of outlines to that of the findings they surround.
LARGEST = 2.0
# With fewer outlined images of known place, nothing is fitted.
MIN_IMAGES = 10
_MOST_IMAGES = 300


def fit_outline_share(
    outputs: Sequence[StudyOutputs],
    fits: Mapping[BodyPart, Fit],
    manifest: Manifest,
    levels: tuple[float, float],
) -> float:
    """Return the share of SHARES with the best mean overlap whose outlines are not too large.

    levels: map_threshold and map_peak. Measured on images with an outline and a known place of the
    finding: intersection over union of the outlined pixels and the place, and the ratio of their
    areas, whose median may not exceed LARGEST. Where it does for every share, the largest share is
    taken. 0 with fewer than MIN_IMAGES such images.
    """
    measured: dict[float, list[tuple[float, float]]] = {share: [] for share in SHARES}
    # One image at a time: some hundreds of full-size maps exceed the memory of a machine.
    for heat, place in _images(outputs, fits, manifest):
        for share, measures in measured.items():
            if (pair := measure(heat, place, levels, share)) is not None:
                measures.append(pair)
    if len(measured[SHARES[0]]) < MIN_IMAGES:
        return 0.0
    each = {s: np.array(m) for s, m in measured.items()}
    small = [s for s, m in each.items() if np.median(m[:, 1]) <= LARGEST]
    return max(small, key=lambda s: each[s][:, 0].mean()) if small else SHARES[-1]


def measure(
    heat: Array, place: Mask, levels: tuple[float, float], share: float
) -> tuple[float, float] | None:
    """Return (intersection over union, ratio of areas) of an image; None without outlines."""
    outlined = outlined_pixels(heat, levels, share)
    if not outlined.any():
        return None
    both, either = (outlined & place).sum(), (outlined | place).sum()
    return float(both / either), float(outlined.sum() / place.sum())


def outlined_pixels(
    heat: Array, levels: tuple[float, float], share: float
) -> npt.NDArray[np.bool_]:
    """Return the mask (H, W) of the pixels that `findings_from_map` outlines."""
    threshold, peak = levels
    outlined = np.zeros(heat.shape, np.bool_)
    for region in regions(heat > threshold):
        largest = region.largest(heat)
        if largest > peak:
            inside = region.mask(region.bounds)
            outlined[region.bounds] |= inside & (heat[region.bounds] > share * largest)
    return outlined


def _images(
    outputs: Sequence[StudyOutputs], fits: Mapping[BodyPart, Fit], manifest: Manifest
) -> Iterator[tuple[Array, Mask]]:
    """Yield map and place (H, W) of the first 300 images whose finding's place is known."""
    n = 0
    for output in outputs:
        part, known = output.study.body_part, any(r.findings or r.mask for r in output.study.images)
        if part is None or part not in fits or not output.study.abnormal or not known:
            continue
        for image in output.images:
            place, _ = truth_or_fault(image.ref, image.placement.source)
            if place is None:
                continue
            if n == _MOST_IMAGES:
                return
            n += 1
            grid = fused_grid(image, fits[part], manifest, part)
            yield image.placement.to_source(grid), place
