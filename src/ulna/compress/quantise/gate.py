"""The parity gate: int8 and fp32 on the same held-out studies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ulna.bundle.quantisation import PROBABILITY_WITHIN
from ulna.errors import ConfigError
from ulna.evaluation.rows import StudyRow
from ulna.metrics.ranking import auroc

# Of fewer, 99 % says nothing.
MIN_STUDIES = 20
_QUANTILES = (0.5, 0.9, 0.99, 1.0)
Pair = tuple[float, float]


def probability_changes(
    before: Sequence[StudyRow], after: Sequence[StudyRow]
) -> tuple[dict[str, float], float, int]:
    """Quantiles of the studies' |change|, the share within 0.02, and how many studies.

    before, after: rows of the same studies in the same order; those without an answer count for
    nothing. Raises ConfigError for fewer than 20.
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
    """AUROC over the scored studies, before and after; None where they are of one class."""
    return _both(_auroc(before), _auroc(after))


def pointing_pair(before: Sequence[StudyRow], after: Sequence[StudyRow]) -> Pair | None:
    """Pointing game over the images with a known place, before and after; None without any."""
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
