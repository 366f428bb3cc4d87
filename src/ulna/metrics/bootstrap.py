"""Percentile intervals by bootstrap over patients (cluster bootstrap), computed with weights.

Each draw samples as many patients as there are, with replacement, and counts every study as often
as its patient was drawn (Efron and Tibshirani 1993, chapter 13; Field and Welsh 2007 for
clusters). A draw is therefore a row of integer weights, and a statistic of a (D, N) matrix of
weights is computed for all D draws at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulna.errors import ConfigError
from ulna.metrics.inputs import Floats

Statistic = Callable[[Floats], Floats]
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Interval:
    """The value of a statistic on the whole sample, with its percentile interval.

    dropped is the number of `draws` in which the statistic is undefined (nan). They are left out
    of the interval. value, low and high are all nan where the statistic is undefined on the sample
    or in every draw.
    """

    value: float
    low: float
    high: float
    draws: int = 0
    dropped: int = 0


def draw_weights(
    patient_ids: Sequence[str] | npt.NDArray[np.str_], draws: int, seed: int
) -> Iterator[Floats]:
    """Yield (d, N) chunks of bootstrap weights, `draws` rows in total.

    The rows depend on `patient_ids` (N,) and `seed` alone, not on the size of the chunks. Raises
    ConfigError for ids that are empty or not one-dimensional and for fewer than one draw.
    """
    ids = np.asarray(patient_ids, dtype=np.str_)
    if ids.ndim != 1 or ids.size == 0:
        raise ConfigError(f"patient ids of shape {ids.shape}: expected a non-empty (N,) list")
    if draws < 1:
        raise ConfigError(f"{draws} bootstrap draws: expected at least 1")
    patients, index = np.unique(ids, return_inverse=True)
    rng = np.random.default_rng(seed)
    share = np.full(len(patients), 1 / len(patients))
    rows = max(1, _CELLS_AT_ONCE // len(ids))
    for start in range(0, draws, rows):
        counts = rng.multinomial(len(patients), share, size=min(rows, draws - start))
        yield counts[:, index].astype(np.float64)


def bootstrap_intervals(
    patient_ids: Sequence[str] | npt.NDArray[np.str_],
    statistics: dict[str, Statistic],
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Return the percentile interval of each named statistic, all on the same draws.

    Differences of two statistics are therefore paired. patient_ids has shape (N,). A statistic
    maps (D, N) weights to (D,) values. level is the coverage, in (0, 1). Source: Efron and
    Tibshirani 1993, chapter 13. Raises ConfigError for a level outside (0, 1), for ids that are
    empty or not one-dimensional and for fewer than one draw.
    """
    if not 0 < level < 1:
        raise ConfigError(f"level {level}: expected a coverage between 0 and 1, such as 0.95")
    ones = np.ones((1, len(patient_ids)))
    values = {name: float(f(ones)[0]) for name, f in statistics.items()}
    samples: dict[str, list[Floats]] = {name: [] for name in statistics}
    for weights in draw_weights(patient_ids, draws, seed):
        for name, statistic in statistics.items():
            samples[name].append(statistic(weights))
    return {n: _interval(values[n], np.concatenate(samples[n]), level) for n in statistics}


def difference_of(one: Statistic, other: Statistic) -> Statistic:
    """Return the statistic `one` minus `other`, a paired difference on the same draws."""

    def difference(weights_DN: Floats) -> Floats:
        return np.asarray(one(weights_DN) - other(weights_DN))

    return difference


def bootstrap_interval(
    patient_ids: Sequence[str] | npt.NDArray[np.str_],
    statistic: Statistic,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return the percentile interval of one statistic of (D, N) weights and (N,) patient ids.

    Arguments, source and errors are those of `bootstrap_intervals`.
    """
    return bootstrap_intervals(patient_ids, {"value": statistic}, draws, seed, level)["value"]


def _interval(value: float, sample: Floats, level: float) -> Interval:
    defined = sample[np.isfinite(sample)]
    dropped = len(sample) - len(defined)
    if not np.isfinite(value) or defined.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"), len(sample), dropped)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), len(sample), dropped)
