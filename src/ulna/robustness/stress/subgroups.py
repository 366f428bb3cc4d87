"""All metrics in subgroups of the studies and of the images, compared with the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Json, Resampling, Sample, measure
from ulna.robustness.stress.traits import CONFOUNDERS, Traits, pixel_size
from ulna.types import FindingCategory, Study

Values = dict[str, list[str]]
"""Grouping -> the group of every study, or image, in order; '' where not known."""

COMPARED = ("auroc", "sensitivity", "specificity")
SIDES = (512, 1024, 2048)
FEWEST = 10
"""Smallest number of studies (or images) of a class for which a group and its rest are compared."""


def study_values(
    studies: Sequence[Study],
    rows: Sequence[StudyRow],
    traits: Traits,
    columns: Mapping[str, Mapping[str, str]],
) -> Values:
    """Return the groups of the scored `rows`. studies: the same, in order. columns: of `--by`.

    Groupings are hardware (from the findings, or a column of the table), marker, cast, jewellery
    and inverted ('yes' where any image has it), views ('single' or 'several' readable images), and
    pixel size and longest side of the first image.
    """
    first = [traits.get(s.images[0].path, {}) for s in studies]
    sizes = [pixel_size(t) for t in first]
    result: Values = {
        "hardware": [t.get("hardware") or _hardware(s) for s, t in zip(studies, first, strict=True)]
    }
    for name in CONFOUNDERS:
        result[name] = [
            _any([traits.get(i.ref.path, {}).get(name, "") for i in r.images]) for r in rows
        ]
    result["views"] = ["single" if len(r.images) == 1 else "several" for r in rows]
    result["pixel size"] = _halves(sizes)
    result["longest side"] = [_side_class(max(r.images[0].shape)) for r in rows]
    for name, value_of in columns.items():
        result[name] = [value_of.get(s.key, "") for s in studies]
    return result


def image_values(rows: Sequence[StudyRow], traits: Traits) -> Values:
    """Return the groups of the images of the scored `rows`, in the order of `image_sample`."""
    paths = [image.ref.path for row in rows for image in row.images]
    known = [traits.get(path, {}) for path in paths]
    result: Values = {"view": [t.get("view", "") for t in known]}
    for name in CONFOUNDERS:
        result[name] = [t.get(name, "") for t in known]
    result["pixel size"] = _halves([pixel_size(t) for t in known])
    return result


def score_subgroups(sample: Sample, values: Values, resampling: Resampling) -> Json:
    """Return `{grouping: {group: scores}}` of groupings with at least two groups.

    Scores are those of `ulna evaluate` over the group, with `n`, `n_abnormal`, `n_patients`. `rest`
    holds the measures COMPARED over all others whose group is known. `below_rest` names those of
    them whose interval in the group lies below the whole interval of the rest, where both have at
    least FEWEST of the class that the measure is computed from.
    """
    result: Json = {}
    for name, of_each in values.items():
        known = np.array(of_each)
        groups = sorted(set(of_each) - {""})
        if len(groups) > 1:
            result[name] = {g: _score(sample, known == g, known != "", resampling) for g in groups}
    return result


def _score(
    sample: Sample,
    inside: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_],
    resampling: Resampling,
) -> Json:
    group, rest = sample.where(inside), sample.where(known & ~inside)
    scores = measure(group, resampling) | _counts(group)
    other = measure(rest, resampling, COMPARED)
    scores["rest"] = other | _counts(rest)
    scores["below_rest"] = [
        name
        for name in COMPARED
        if min(_needed(name, group), _needed(name, rest)) >= FEWEST
        and scores[name]["high"] < _lower_end(other[name], _needed(name, rest))
    ]
    return scores


def _lower_end(entry: Json, n: int) -> float:
    """Return the lower end of an interval; 1 - 3 / n where it is 1, without any error in n.

    The percentile interval has no width there, although an error rate up to about 3 / n remains
    possible (Hanley and Lippman-Hand 1983).
    """
    return 1 - 3 / n if entry["low"] == 1 else float(entry["low"])


def _counts(sample: Sample) -> Json:
    return {
        "n": len(sample.patients),
        "n_abnormal": int(sample.abnormal.sum()),
        "n_patients": len(set(sample.patients)),
    }


def _needed(name: str, sample: Sample) -> int:
    """Return the number of studies (or images) of the class that a measure is computed from."""
    abnormal = int(sample.abnormal.sum())
    normal = len(sample.patients) - abnormal
    return {"sensitivity": abnormal, "specificity": normal}.get(name, min(abnormal, normal))


def _hardware(study: Study) -> str:
    if study.categories is None:
        return ""
    return "yes" if FindingCategory.HARDWARE in study.categories else "no"


def _any(values: Sequence[str]) -> str:
    if "yes" in values:
        return "yes"
    return "no" if "no" in values else ""


def _halves(sizes: Sequence[float | None]) -> list[str]:
    """Group sizes by whether they are below the median."""
    known = [s for s in sizes if s is not None]
    if not known:
        return ["" for _ in sizes]
    middle = float(np.median(known))
    names = (f"< {middle:.2f} mm", f">= {middle:.2f} mm")
    return ["" if s is None else names[int(s >= middle)] for s in sizes]


def _side_class(pixels: int) -> str:
    """Return the class of a longest side in pixels."""
    bounds = (0, *SIDES)
    k = max(i for i, bound in enumerate(bounds) if pixels >= bound)
    if k == 0:
        return f"< {SIDES[0]} px"
    return f">= {SIDES[-1]} px" if k == len(SIDES) else f"{bounds[k]} to {bounds[k + 1] - 1} px"
