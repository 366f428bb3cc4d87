"""Finding labels of a study: each category is present, absent or unknown."""

from __future__ import annotations

from collections.abc import Sequence

from ulna.config.meaning import ANY
from ulna.types import FindingCategory, Study


def known_finding(
    study: Study, category: FindingCategory, abnormal_means: str = ANY
) -> bool | None:
    """Return whether `study` shows `category`, None where its source does not say.

    abnormal_means is the meaning of the source's label. Where the label means one finding, it
    answers for that finding alone, and a normal study has no known label of any other. Where a
    source lists no findings (`study.categories` is None), they are unknown, never absent.
    """
    if abnormal_means == category and study.abnormal is not None:
        return study.abnormal
    shown = study.shows(category)
    # Where "normal" concerns one finding alone, an empty list of findings does not mean that all
    # others are absent, unless a table of sources states what each source knows.
    listed = study.categories or study.source or abnormal_means == ANY
    return shown if listed else None


def known_findings(study: Study, abnormal_means: str = ANY) -> dict[FindingCategory, bool]:
    """Return whether the study shows each category, of those that its source knows."""
    labels = {c: known_finding(study, c, abnormal_means) for c in FindingCategory}
    return {c: shown for c, shown in labels.items() if shown is not None}


def finding_counts(
    studies: Sequence[Study], categories: Sequence[FindingCategory], abnormal_means: str = ANY
) -> dict[FindingCategory, tuple[int, int]]:
    """Return the numbers of studies that show each category, and that are known not to."""
    labels = {c: [known_finding(s, c, abnormal_means) for s in studies] for c in categories}
    return {c: (known.count(True), known.count(False)) for c, known in labels.items()}
