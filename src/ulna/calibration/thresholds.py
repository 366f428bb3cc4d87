"""Operating points from few studies: smooth quantiles, shrunk towards those of all body parts.

The 90 % quantile of 25 normal studies has a standard error of about 5 % of specificity. Two
things make the threshold generalise: the Harrell-Davis estimator, a smooth mean of order
statistics (Harrell and Davis 1982), and shrinkage towards the same quantile of all body parts
together with the weight of `PRIOR_STUDIES` studies. Both are in calibrated logits, which are
comparable between body parts. In simulations (tests) the expected specificity of
'specificity_0.90' is then 0.90 to 0.91, with a standard deviation of 0.03 to 0.05 instead of
0.05 to 0.06.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from ulna.calibration.part_scores import Floats, logit
from ulna.errors import ConfigError
from ulna.types import BodyPart

PRIOR_STUDIES = 30.0
Rule = Callable[[Floats, Floats], float]


def smooth_quantile(values: Floats, share: float) -> float:
    """Return the Harrell-Davis quantile of values (N,) at `share` in (0, 1)."""
    n = len(values)
    edges = np.arange(n + 1) / n
    weights = np.diff(special.betainc((n + 1) * share, (n + 1) * (1 - share), edges))
    return float(weights @ np.sort(values))


def youden(normal: Floats, abnormal: Floats) -> float:
    """Return the threshold of the largest sensitivity + specificity - 1 (Youden 1950), smoothed.

    Each class is a Gaussian kernel estimate with Silverman's bandwidth. Where the sum is flat,
    since the classes are far apart, the middle of the flat part is taken.
    """
    low, high = min(normal.min(), abnormal.min()), max(normal.max(), abnormal.max())
    grid = np.linspace(low, high, 801)
    gain = _cumulative(normal, grid) - _cumulative(abnormal, grid)
    return float(np.median(grid[gain >= gain.max() - 1e-3]))


def _cumulative(values: Floats, grid: Floats) -> Floats:
    width = max(1.06 * float(values.std()) * len(values) ** -0.2, 1e-3)
    return np.asarray(special.ndtr((grid[:, None] - values) / width).mean(axis=1))


RULES: dict[str, Rule] = {
    "sensitive": lambda normal, abnormal: smooth_quantile(abnormal, 0.05),
    "balanced": youden,
    "specificity_0.90": lambda normal, abnormal: smooth_quantile(normal, 0.90),
    "specific": lambda normal, abnormal: smooth_quantile(normal, 0.95),
}


def fit_thresholds(
    probabilities: dict[BodyPart, tuple[Floats, Floats]], few: set[BodyPart]
) -> dict[str, dict[BodyPart, float]]:
    """Return operating point -> body part -> study probability from which a study is abnormal.

    probabilities: by body part, the calibrated ones of the normal and of the abnormal calibration
    studies. few: body parts that take the threshold of all body parts together. Raises ConfigError
    if all body parts together lack a class.
    """
    normal = logit(np.concatenate([n for n, _ in probabilities.values()]))
    abnormal = logit(np.concatenate([a for _, a in probabilities.values()]))
    if len(normal) == 0 or len(abnormal) == 0:
        raise ConfigError(
            f"{len(normal)} normal and {len(abnormal)} abnormal calibration studies: "
            "thresholds need both; calibrate on more studies"
        )
    result: dict[str, dict[BodyPart, float]] = {}
    for point, rule in RULES.items():
        pooled = rule(normal, abnormal)
        result[point] = {
            part: _probability(pooled if part in few else _shrunk(point, pooled, n, a))
            for part, (n, a) in probabilities.items()
        }
    return result


def _shrunk(point: str, pooled: float, normal: Floats, abnormal: Floats) -> float:
    own = RULES[point](logit(normal), logit(abnormal))
    n = {
        "balanced": min(len(normal), len(abnormal)),
        "sensitive": len(abnormal),
        "specificity_0.90": len(normal),
        "specific": len(normal),
    }[point]
    share = n / (n + PRIOR_STUDIES)
    return share * own + (1 - share) * pooled


def _probability(z: float) -> float:
    return float(special.expit(z))
