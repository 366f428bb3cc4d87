"""Two percentiles of many pixels, identical to `numpy.percentile` but much faster."""

from __future__ import annotations

import numpy as np

from ulna.types import Array

_SAMPLE = 2048
# The sample cuts off a tail this far beyond its percentile, in standard deviations.
_MARGIN = 4.0


def percentile_pair(values: Array, low: float, high: float) -> tuple[float, float]:
    """Return the percentiles `low` <= `high` (0 to 100) of finite float32 values of any shape.

    Interpolated linearly as `numpy.percentile(values, [low, high])` (type 7 of Hyndman and Fan
    1996). Only the two tails are sorted. A sample estimates where they begin; if a tail then has
    too few values, all values are sorted instead.
    """
    x = values.reshape(-1)
    sample = np.sort(x[:: max(1, x.size // _SAMPLE) | 1])
    places = [(x.size - 1) * (p / 100) for p in (low, high)]
    below = x[x <= _beyond(sample, low, +1)]
    if below.size < places[0] + 2:
        below = x
    above = x[x >= _beyond(sample, high, -1)]
    if x.size - above.size > places[1]:
        above = x
    return _between(below, places[0]), _between(above, places[1] - (x.size - above.size))


def _beyond(sample: Array, percentile: float, sign: int) -> float:
    """Return a value of the sorted sample that is safely on the inner side of the percentile."""
    share = percentile / 100
    away = _MARGIN * np.sqrt(max(share * (1 - share), 1e-4) / sample.size) + 1 / sample.size
    place = round((share + sign * float(away)) * (sample.size - 1))
    return float(sample[min(max(place, 0), sample.size - 1)])


def _between(tail: Array, place: float) -> float:
    """Return the value at a fractional index of the sorted `tail`."""
    first = min(int(place), tail.size - 1)
    after = min(first + 1, tail.size - 1)
    ordered = np.partition(tail, (first, after))
    a, step, share = float(ordered[first]), float(ordered[after] - ordered[first]), place - first
    # From the nearer end, as NumPy does.
    return a + step * share if share < 0.5 else float(ordered[after]) - step * (1 - share)
