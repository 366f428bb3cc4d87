"""What a source says of one category of finding in a study: there, not there, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from ulna.config.meaning import ANY
from ulna.types import FindingCategory, Study


def known_finding(
    study: Study, category: FindingCategory, abnormal_means: str = ANY
) -> bool | None:
    """Whether `study` shows `category`, None where its source does not say.

    abnormal_means: what the source's label abnormal stands for. The label of a source of one
    finding answers for that finding, and its normal studies for no other. A source without names
    of findings (`study.categories` is None) says nothing else: a missing label is never 'none'.
    """
    if abnormal_means == category and study.abnormal is not None:
        return study.abnormal
    shown = study.shows(category)
    # Nothing named, where "normal" speaks of one finding alone, is no list of all there is, unless
    # a table of sources has said what each of them knows.
    listed = study.categories or study.source or abnormal_means == ANY
    return shown if listed else None


def known_findings(study: Study, abnormal_means: str = ANY) -> dict[FindingCategory, bool]:
    """Of every category that the source knows, whether the study shows it."""
    each = {c: known_finding(study, c, abnormal_means) for c in FindingCategory}
    return {c: shown for c, shown in each.items() if shown is not None}


def finding_counts(
    studies: Sequence[Study], categories: Sequence[FindingCategory], abnormal_means: str = ANY
) -> dict[FindingCategory, tuple[int, int]]:
    """By category, how many studies are known to show it and how many known not to."""
    known = {c: [known_finding(s, c, abnormal_means) for s in studies] for c in categories}
    return {c: (result.count(True), result.count(False)) for c, result in known.items()}
