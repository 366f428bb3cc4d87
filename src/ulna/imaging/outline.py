"""Segment a heat map into findings: regions above a fixed threshold, with box and outline."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from contourpy import contour_generator

from ulna.errors import ImageError
from ulna.imaging.regions import Region, regions
from ulna.types import Array, Finding

MAX_FINDINGS = 20


def findings_from_map(
    heat_map: npt.ArrayLike,
    threshold: float,
    *,
    peak: float = -np.inf,
    share: float = 0.0,
    limit: int = MAX_FINDINGS,
) -> tuple[Finding, ...]:
    """Return the connected regions (8 neighbours) of `heat_map` (H, W) above `threshold`.

    They are sorted by strength, at most `limit`. Regions whose maximum does not exceed `peak` are
    dropped (hysteresis: Canny 1986, A computational approach to edge detection, section VII).
    share: a region ends where the map falls below this share of the region's maximum, if that is
    above `threshold`, so that strong regions are not larger than weak ones; it may split.

    box: bounding box of the region's pixels. score: its maximum, in the map's units. outline:
    (N, 2) closed line where the map, interpolated between pixel centres, crosses the threshold;
    within half a pixel of the box. adds: contribution of the region to the mean of the map over
    the padded square, and so to the logit. Raises ImageError for a map that is not 2-D and finite,
    and for a share outside [0, 1).
    """
    values = np.asarray(heat_map, dtype=np.float32)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise ImageError(f"heat map of shape {values.shape}: expected (H, W) finite numbers")
    if not np.isfinite(threshold):
        raise ImageError(f"threshold {threshold}: expected a finite number")
    if not 0 <= share < 1:
        raise ImageError(f"share {share} of a region's maximum: expected a number in [0, 1)")
    threshold = float(np.float32(threshold))  # the map's own precision, here and in the outline
    found = [
        (part.largest(values), part, level)
        for region in regions(values > threshold)
        for part, level in _parts(values, region, threshold, peak, share)
    ]
    strongest = sorted((f for f in found if f[0] > peak), key=lambda f: -f[0])[:limit]
    return tuple(
        Finding(
            box=_box(region.bounds),
            score=score,
            outline=_outline(values, region, level),
            adds=_sum(values, region) / max(values.shape) ** 2,
        )
        for score, region, level in strongest
    )


def _parts(
    values: Array, region: Region, threshold: float, peak: float, share: float
) -> list[tuple[Region, float]]:
    """The parts of a region above `share` of its maximum, each with that level."""
    largest = region.largest(values)
    level = float(np.float32(share * largest))
    if not share or level <= threshold or largest <= peak:
        return [(region, threshold)]
    rows, columns = region.bounds
    inside = region.mask(region.bounds) & (values[rows, columns] > level)
    return [
        (Region(r.row + rows.start, r.start + columns.start, r.stop + columns.start), level)
        for r in regions(inside)
    ]


def _sum(values: Array, region: Region) -> float:
    runs = zip(region.row, region.start, region.stop, strict=True)
    return float(sum(values[r, a:b].sum(dtype=np.float64) for r, a, b in runs))


def _box(place: tuple[slice, slice]) -> tuple[float, float, float, float]:
    rows, columns = place
    height, width = rows.stop - rows.start, columns.stop - columns.start
    return float(columns.start), float(rows.start), float(width), float(height)


def _outline(values: Array, region: Region, threshold: float) -> Array:
    rows, columns = region.bounds
    top, left = max(rows.start - 1, 0), max(columns.start - 1, 0)
    bottom, right = min(rows.stop + 1, len(values)), min(columns.stop + 1, values.shape[1])
    window = (slice(top, bottom), slice(left, right))
    own = region.mask(window)
    # Neighbours above the threshold belong to other regions, and are set to the threshold.
    levels = np.where(own, values[window], np.minimum(values[window], threshold)).astype(float)
    # A mirrored ring puts the line half-way to the ring: on the outer edge of a border pixel.
    ringed = np.pad(levels, 1, mode="edge")
    ring = np.pad(np.zeros(levels.shape, bool), 1, constant_values=True)
    ringed[ring] = np.minimum(2 * threshold - ringed[ring], threshold)
    lines = contour_generator(z=ringed).lines(threshold)
    longest = max((np.asarray(line) for line in lines), key=_area)
    line = longest + np.array([left - 0.5, top - 0.5])
    height, width = values.shape
    return np.asarray(np.clip(line, 0, [width, height]), dtype=np.float32)


def _area(line: npt.NDArray[np.float64]) -> float:
    x, y = line[:, 0], line[:, 1]
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
