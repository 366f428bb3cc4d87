"""Where a bundle breaks: the first severity that does harm, and subgroups with lower scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ulna.evaluation.scores import Json
from ulna.robustness.stress.paired import FLIPS

FLIPS_ALLOWED = 0.05
"""Share of decisions that may flip before a corruption counts as breaking the answers."""


def where_it_breaks(corruptions: Mapping[str, Sequence[Json]], subgroups: Json) -> list[Json]:
    """Return one row for each corruption, then one for each subgroup that lies below the rest.

    A corruption breaks the answers at `severity`, the lowest at which the AUROC drops clearly (the
    interval of its paired change lies below 0) or more than FLIPS_ALLOWED of the decisions flip.
    `auroc_from` and `decisions_from` are the lowest severities of each of the two. All are None
    where it never happens. The scores are those at `severity`, or else at the highest severity. The
    row of a subgroup is for one measure whose whole interval lies below that of the rest.
    """
    rows = [_of_corruption(name, levels) for name, levels in corruptions.items()]
    for level, groupings in subgroups.items():
        for grouping, groups in groupings.items():
            for group, scores in groups.items():
                rows += [
                    _of_subgroup(level, grouping, group, scores, m) for m in scores["below_rest"]
                ]
    return rows


def _of_corruption(name: str, levels: Sequence[Json]) -> Json:
    auroc = next((x for x in levels if _drop_is_clear(x)), None)
    decisions = next((x for x in levels if x[FLIPS]["value"] > FLIPS_ALLOWED), None)
    broken = [x for x in (auroc, decisions) if x is not None]
    shown = min(broken, key=lambda x: int(x["severity"]), default=levels[-1])
    return {
        "kind": "corruption",
        "name": name,
        "severity": shown["severity"] if broken else None,
        "of_severities": len(levels),
        "amount_text": shown["amount_text"],
        "auroc_from": auroc and auroc["severity"],
        "decisions_from": decisions and decisions["severity"],
        "auroc": shown["auroc"],
        "auroc_change": shown["auroc_change"],
        FLIPS: shown[FLIPS],
    }


def _drop_is_clear(level: Json) -> bool:
    high = level["auroc_change"]["high"]
    return high is not None and high < 0


def _of_subgroup(level: str, grouping: str, group: str, scores: Json, measure: str) -> Json:
    return {
        "kind": "subgroup",
        "level": level,
        "name": grouping,
        "group": group,
        "measure": measure,
        "value": scores[measure],
        "rest": scores["rest"][measure],
        "n": scores["n"],
        "n_abnormal": scores["n_abnormal"],
    }
