"""The gate of an int8 bundle: figures of int8 and fp32 on the same held-out studies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ulna.bundle.quantisation import PROBABILITY_WITHIN
from ulna.errors import ConfigError
from ulna.evaluation.rows import StudyRow
from ulna.metrics.ranking import auroc

# Fewer studies do not determine a share of 99 %.
MIN_STUDIES = 20
_QUANTILES = (0.5, 0.9, 0.99, 1.0)
Pair = tuple[float, float]


def probability_changes(
    before: Sequence[StudyRow], after: Sequence[StudyRow]
) -> tuple[dict[str, float], float, int]:
    """Return quantiles of |change of probability|, the share within 0.02, and number of studies.

    before, after: rows of the same studies in the same order. Those without an answer are not
    counted. Raises ConfigError for fewer than 20 studies.
    """
    gaps = [
        abs(a.given.probability - b.given.probability)
        for a, b in zip(before, after, strict=True)
        if a.given is not None and b.given is not None
    ]
    if len(gaps) < MIN_STUDIES:
        raise ConfigError(
            f"{len(gaps)} held-out studies with an answer: expected at least {MIN_STUDIES} to "
            "compare int8 with fp32 on"
        )
    values = np.array(gaps)
    quantiles = {f"{q:.2f}": float(np.quantile(values, q)) for q in _QUANTILES}
    return quantiles, float(np.mean(values <= PROBABILITY_WITHIN)), len(gaps)


def auroc_pair(before: Sequence[StudyRow], after: Sequence[StudyRow]) -> Pair | None:
    """Return the AUROC of the scored studies, before and after. None if they are of one class."""
    return _both(_auroc(before), _auroc(after))


def pointing_pair(before: Sequence[StudyRow], after: Sequence[StudyRow]) -> Pair | None:
    """Return the pointing game on images with a known place, before and after. None without any."""
    return _both(_pointing(before), _pointing(after))


def _both(before: float | None, after: float | None) -> Pair | None:
    return None if before is None or after is None else (before, after)


def _auroc(rows: Sequence[StudyRow]) -> float | None:
    answered = [r for r in rows if r.scored and r.given is not None]
    truth = np.array([bool(r.abnormal) for r in answered])
    if truth.all() or not truth.any():
        return None
    return float(auroc(truth, np.array([r.given.probability for r in answered if r.given])))


def _pointing(rows: Sequence[StudyRow]) -> float | None:
    places = [i.location for r in rows if r.abnormal for i in r.images]
    hits = [p.pointing for p in places if p is not None]
    return float(np.mean(hits)) if hits else None
