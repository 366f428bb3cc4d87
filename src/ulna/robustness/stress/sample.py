"""The stratified sample of studies that is corrupted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ulna.types import Study


def stratified_sample(studies: Sequence[Study], n: int, seed: int) -> list[Study]:
    """Draw `n` of `studies`, or all if there are fewer, stratified by body part and label.

    The choice depends on the studies and the seed, not on the order of `studies`, which is kept.
    """
    strata: dict[tuple[str, bool | None], list[Study]] = defaultdict(list)
    for study in sorted(studies, key=lambda s: s.key):
        strata[str(study.body_part), study.abnormal].append(study)
    rng = np.random.default_rng(seed)
    placed: list[tuple[float, float, str]] = []
    for name in sorted(strata, key=str):
        members = strata[name]
        # Every stratum is spread evenly over [0, 1], so the first n of all are in proportion.
        places = (rng.permutation(len(members)) + 0.5) / len(members)
        ties = rng.random(len(members))
        placed += [(p, t, s.key) for p, t, s in zip(places, ties, members, strict=True)]
    chosen = {key for _, _, key in sorted(placed)[:n]}
    return [s for s in studies if s.key in chosen]
