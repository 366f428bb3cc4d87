"""Split studies by patient, stratified by source, body part and label, with a seed.

Patients are assigned stratum by stratum to the part that lacks most studies (iterative
stratification: Sechidis, Tsoumakas, Vlahavas, ECML PKDD 2011). The remainder that a stratum cannot
divide evenly is carried to the next, so that small parts get studies from small strata too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from ulna.datasets.listing import listed, natural_key
from ulna.errors import DatasetError, SplitError
from ulna.types import Study

_Stratum = tuple[str, str, str]


def split_studies(
    studies: Sequence[Study], fractions: Mapping[str, float], seed: int
) -> dict[str, list[Study]]:
    """Divide `studies` into the parts that `fractions` names, each patient in one of them.

    fractions are the shares of the studies in each part, positive with sum 1. The result depends on
    the set of studies and the seed, not on their order. Each part is ordered by study key. Shares
    are as close to the fractions as whole patients allow, within each source x body part x label
    as well.

    Raises DatasetError for fractions that are not positive with sum 1 and for a study that occurs
    twice, SplitError for fewer patients than parts.
    """
    _check_fractions(fractions)
    keys = Counter(s.key for s in studies)
    if twice := [k for k, n in keys.items() if n > 1]:
        raise DatasetError(f"{len(twice)} study keys occur twice:{listed(sorted(twice))}")
    strata: dict[str, Counter[_Stratum]] = defaultdict(Counter)
    for study in studies:
        strata[study.patient_id][_stratum(study)] += 1
    if len(strata) < len(fractions):
        raise SplitError(
            f"{len(strata)} patients for {len(fractions)} parts ({', '.join(fractions)}): "
            "expected at least one patient for each; use more data"
        )
    side = _assign(strata, fractions, seed)
    parts: dict[str, list[Study]] = {name: [] for name in fractions}
    for study in sorted(studies, key=lambda s: natural_key(s.key)):
        parts[side[study.patient_id]].append(study)
    check_disjoint(parts)
    return parts


def check_disjoint(parts: Mapping[str, Sequence[Study]]) -> None:
    """Raise SplitError that names the patients who are in more than one part."""
    patients = {name: {s.patient_id for s in studies} for name, studies in parts.items()}
    shared = [
        f"{patient}: {a} and {b}"
        for a, b in combinations(patients, 2)
        for patient in sorted(patients[a] & patients[b])
    ]
    if shared:
        raise SplitError(
            f"{len(shared)} patients are in two parts of a split: expected each in one; "
            f"split by patient_id:{listed(shared)}"
        )


def _check_fractions(fractions: Mapping[str, float]) -> None:
    values = list(fractions.values())
    if not values or min(values) <= 0 or abs(sum(values) - 1) > 1e-6:
        raise DatasetError(f"fractions {dict(fractions)}: expected positive numbers with sum 1")


def _stratum(study: Study) -> _Stratum:
    part = study.body_part.value if study.body_part else ""
    return study.source, part, {True: "1", False: "0", None: ""}[study.abnormal]


def _assign(
    strata: Mapping[str, Counter[_Stratum]], fractions: Mapping[str, float], seed: int
) -> dict[str, str]:
    totals: Counter[_Stratum] = Counter()
    for counts in strata.values():
        totals.update(counts)
    names = list(fractions)
    share = np.array([fractions[n] for n in names], np.float64)
    lacking = {s: n * share for s, n in totals.items()}
    queues = _queues(strata, totals, seed)
    side: dict[str, str] = {}
    carried = np.zeros(len(names))
    # The rarest stratum comes first. At the end of its turn all its patients are assigned, those of
    # several strata included, and what the parts still lack of it sums to zero.
    for stratum in sorted(totals, key=lambda s: (totals[s], s)):
        lacking[stratum] += carried
        for patient in queues[stratum]:
            chosen = int(np.argmax(lacking[stratum]))
            side[patient] = names[chosen]
            for own, n in strata[patient].items():
                lacking[own][chosen] -= n
        carried = lacking[stratum]
    _fill_empty(side, names)
    return side


def _queues(
    strata: Mapping[str, Counter[_Stratum]], totals: Counter[_Stratum], seed: int
) -> dict[_Stratum, list[str]]:
    """Return the patients of each stratum, those with most studies first, ties in random order.

    A patient of several strata is in the queue of the rarest, where its assignment matters most.
    """
    names = sorted(strata)
    rank = dict(zip(names, np.random.default_rng(seed).permutation(len(names)), strict=True))
    queues: dict[_Stratum, list[str]] = {s: [] for s in totals}
    for name in sorted(names, key=lambda n: (-strata[n].total(), rank[n])):
        queues[min(strata[name], key=lambda s: (totals[s], s))].append(name)
    return queues


def _fill_empty(side: dict[str, str], names: Sequence[str]) -> None:
    for empty in [n for n in names if n not in side.values()]:
        largest = Counter(side.values()).most_common(1)[0][0]
        side[next(p for p, s in side.items() if s == largest)] = empty
