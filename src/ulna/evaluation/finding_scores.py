"""Scores of the finding categories, their macro averages, and those of the leading finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from ulna.evaluation.rows import StudyRow, parts_of
from ulna.evaluation.scores import (
    Json,
    Resampling,
    Sample,
    interval_json,
    measure,
    share,
    statistics,
)
from ulna.metrics.bootstrap import Interval, Statistic, bootstrap_intervals
from ulna.metrics.inputs import Floats
from ulna.types import FindingCategory

# Named as in multi-label classification, where recall is the sensitivity of one category.
MEASURES = {
    "auroc": "auroc",
    "average_precision": "average_precision",
    "precision": "precision",
    "recall": "sensitivity",
    "f1": "f1",
}
# A category is scored within a body part if it has this many studies with and without it.
MIN_STUDIES = 8
VISIBLE = "VISIBLE"
# The column of the confusion matrix for studies called normal, which have no leading finding.
CALLED_NORMAL = "none"


def finding_scores(rows: Sequence[StudyRow], resampling: Resampling) -> Json | None:
    """Return `findings.<PART|ALL|VISIBLE>`, None where no answer has finding probabilities.

    A study counts for a category only where its label is known. VISIBLE contains the studies that
    are normal or whose finding is obvious or moderate. A body part has the categories with at
    least 8 studies that show them and 8 that do not.
    """
    named = [r for r in rows if r.given is not None and r.given.findings and r.finding_labels]
    if not named:
        return None
    groups = {"ALL": _group(named, resampling)}
    if any(r.subtlety is not None for r in named):
        groups[VISIBLE] = _group([r for r in named if r.visible], resampling)
    for part in parts_of(named):
        own = _group([r for r in named if r.part == part], resampling, MIN_STUDIES)
        if own["categories"]:
            groups[part.value] = own
    return groups


def _group(rows: Sequence[StudyRow], resampling: Resampling, least: int = 1) -> Json:
    """Score the categories with `least` studies that show them and not; with 1, list all."""
    flags = {c: _known(rows, c) for c in FindingCategory}
    samples = {c: _sample(rows, c, known) for c, known in flags.items() if known.any()}
    kept = {c: s for c, s in samples.items() if least == 1 or _fewest(s) >= least}
    scored = [c for c, s in kept.items() if _fewest(s) >= 1]
    result: Json = {
        "n_studies": len(rows),
        "categories": {c.value: _category(s, resampling) for c, s in kept.items()},
        "macro": {"n_categories": len(scored)},
    }
    if scored:
        result["macro"] |= _macro(rows, {c: (flags[c], kept[c]) for c in scored}, resampling)
    leading = _leading(rows, [*kept], resampling)
    return result | ({"leading": leading} if leading else {})


def _known(rows: Sequence[StudyRow], category: FindingCategory) -> npt.NDArray[np.bool_]:
    """Return (N,) flags of the studies with both an answer and a label for the category."""
    return np.array(
        [
            category in r.finding_labels and r.given is not None and category in r.given.findings
            for r in rows
        ],
        np.bool_,
    )


def _sample(
    rows: Sequence[StudyRow], category: FindingCategory, known: npt.NDArray[np.bool_]
) -> Sample:
    chosen = [r for r, k in zip(rows, known, strict=True) if k]
    answers = [r.given for r in chosen if r.given is not None]
    stated = np.array([a.findings[category] for a in answers])
    return Sample(
        [r.patient_id for r in chosen],
        np.array([r.finding_labels[category] for r in chosen]),
        stated,
        stated >= np.array([a.finding_thresholds[category] for a in answers]),
    )


def _fewest(sample: Sample) -> int:
    return int(min(sample.abnormal.sum(), (~sample.abnormal).sum()))


def _category(sample: Sample, resampling: Resampling) -> Json:
    scores = measure(sample, resampling, [*MEASURES.values()])
    present = int(sample.abnormal.sum())
    return {
        "n_present": present,
        "n_absent": len(sample.abnormal) - present,
        **{name: scores[own] for name, own in MEASURES.items()},
    }


def _macro(
    rows: Sequence[StudyRow],
    samples: Mapping[FindingCategory, tuple[npt.NDArray[np.bool_], Sample]],
    resampling: Resampling,
) -> Json:
    """Return the unweighted mean of each measure over the categories, on the same draws.

    This is `average='macro'` of scikit-learn. It is undefined where the measure of any category
    is.
    """
    wanted: dict[str, Statistic] = {}
    for name, own in MEASURES.items():
        each = [(known, statistics(sample)[own]) for known, sample in samples.values()]
        wanted[name] = partial(_mean, each)
    result = bootstrap_intervals(
        [r.patient_id for r in rows], wanted, resampling.draws, resampling.seed
    )
    return {name: interval_json(interval) for name, interval in result.items()}


def _mean(each: Sequence[tuple[npt.NDArray[np.bool_], Statistic]], weights: Floats) -> Floats:
    return np.asarray(np.mean([statistic(weights[:, known]) for known, statistic in each], axis=0))


def _leading(
    rows: Sequence[StudyRow], categories: Sequence[FindingCategory], resampling: Resampling
) -> Json | None:
    """Score the leading finding of studies that show exactly one of the categories.

    The result is None with fewer than two categories, which cannot be confused, or without studies.
    """
    pairs = [(c, r) for r in rows if (c := _only(r, categories)) is not None]
    if len(categories) < 2 or not pairs:
        return None
    called = [(c, r) for c, r in pairs if _lead(r) is not None]
    counts = Counter((c, _lead(r)) for c, r in pairs)
    others = [c for c in FindingCategory if c not in categories and any(s == c for _, s in counts)]
    columns: list[FindingCategory | None] = [*categories, *others, None]
    result: Json = {
        "n_studies": len(pairs),
        "n_called": len(called),
        "right": interval_json(_right(pairs, resampling)),
        "confusion": {
            c.value: {(CALLED_NORMAL if s is None else s.value): counts[c, s] for s in columns}
            for c in categories
        },
    }
    if called:
        result["right_of_called"] = interval_json(_right(called, resampling))
    return result


def _right(pairs: Sequence[tuple[FindingCategory, StudyRow]], resampling: Resampling) -> Interval:
    hits = [float(_lead(r) == c) for c, r in pairs]
    return share([r.patient_id for _, r in pairs], hits, resampling)


def _lead(row: StudyRow) -> FindingCategory | None:
    return None if row.given is None else row.given.leading_finding


def _only(row: StudyRow, categories: Sequence[FindingCategory]) -> FindingCategory | None:
    """Return the one category that the study shows, None for none, several or unknown ones."""
    labels = row.finding_labels
    if not all(c in labels for c in categories):
        return None
    present = [c for c, shown in labels.items() if shown]
    return present[0] if len(present) == 1 and present[0] in categories else None
