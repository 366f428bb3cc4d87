"""Rank a kappa among the entries of the MURA competition, and compare it with radiologists.

The 98 entries and the three radiologists (Rajpurkar et al. 2018, arXiv 1712.06957, table 2) were
scored on the 207 studies of the hidden test set. The rank of a score on other studies is valid only
as far as these are similar, and uncertain within its interval.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import Any

from ulna.evaluation.scores import Json

RADIOLOGISTS: dict[str, tuple[float, float, float]] = {
    "Overall": (0.731, 0.763, 0.778),
    "Elbow": (0.850, 0.710, 0.719),
    "Finger": (0.304, 0.403, 0.410),
    "Forearm": (0.796, 0.802, 0.798),
    "Hand": (0.661, 0.927, 0.789),
    "Humerus": (0.867, 0.733, 0.933),
    "Shoulder": (0.864, 0.791, 0.864),
    "Wrist": (0.791, 0.931, 0.931),
}
HIDDEN_STUDIES = 207
Z_95 = 1.959963984540054


@cache
def archive() -> dict[str, tuple[float, ...]]:
    """Return the kappas of the competition's entries, by region and 'Overall'."""
    file = resources.files("ulna.evaluation").joinpath("mura_archive.csv")
    rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    return {n.capitalize(): tuple(float(r[n]) for r in rows) for n in rows[0] if n != "rank"}


def rank_of(name: str, kappa: float) -> int:
    """Return 1 + the number of entries with a higher kappa in the region `name`."""
    # The kappas of the entries have six digits.
    return 1 + sum(k > kappa + 5e-7 for k in archive()[name])


def compare_with_archive(name: str, row: Json) -> Json | None:
    """Return the rank, those of the limits of the analytic interval, and each radiologist.

    `row` is a result of `score_mura` with kappa, standard_error and analytic. The result is None
    without a kappa.
    """
    kappa, low, high = row["kappa"], row["analytic"]["low"], row["analytic"]["high"]
    if kappa is None or low is None:
        return None
    return {
        "rank": rank_of(name, kappa),
        "rank_best": rank_of(name, high),
        "rank_worst": rank_of(name, low),
        "entries": len(archive()[name]),
        "radiologists": [
            _compare_with_radiologist(name, kappa, row["standard_error"], r)
            for r in RADIOLOGISTS[name]
        ],
    }


def _compare_with_radiologist(
    name: str, kappa: float, error: float, radiologist: float
) -> dict[str, Any]:
    """Return the difference from a radiologist with its interval, as of two independent samples.

    The published kappas have no counts. Where both raters call half of the studies abnormal, the
    standard error of kappa is sqrt((1 - kappa^2) / n). n is the number of hidden studies, or a
    seventh of them for a region.
    """
    n = HIDDEN_STUDIES if name == "Overall" else HIDDEN_STUDIES / 7
    both = (error**2 + (1 - radiologist**2) / n) ** 0.5
    difference = kappa - radiologist
    low, high = difference - Z_95 * both, difference + Z_95 * both
    verdict = "better" if low > 0 else "worse" if high < 0 else "not told apart"
    return {
        "kappa": radiologist,
        "difference": difference,
        "low": low,
        "high": high,
        "verdict": verdict,
    }
