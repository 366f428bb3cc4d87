"""The labels to read again: what `ulna review` calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulna.config.meaning import answer_words
from ulna.datasets import index_data
from ulna.experiments.extras import require
from ulna.experiments.progress import Progress, silent
from ulna.experiments.receipts import review_receipt
from ulna.experiments.results import check_outputs
from ulna.experiments.review_steps import (
    NO_FOLDS,
    are_phantoms,
    fold_experts,
    meaning_of,
    show_head,
)

if TYPE_CHECKING:
    from ulna.labels.label_errors import LabelError


@dataclass(frozen=True)
class ReviewResult:
    """All studies, the most suspicious label first.

    by_body_part: how many are flagged, by part and label. heat_maps: whether the page has maps,
    which need the bundles of folds. table, page: the files written.
    """

    label_errors: Sequence[LabelError]
    by_body_part: Mapping[str, Mapping[str, int]]
    heat_maps: bool
    table: Path
    page: Path

    def summary(self, top: int) -> dict[str, Any]:
        """Counts and the first `top` studies, as types of JSON."""
        return {
            "n_studies": len(self.label_errors),
            "n_flagged": sum(s.flagged for s in self.label_errors),
            "by_body_part": self.by_body_part,
            "heat_maps": self.heat_maps,
            "head": [
                {
                    "rank": s.rank,
                    "study": s.study.key,
                    "label": s.label,
                    "study_probability": s.probability,
                    "label_quality": s.quality,
                    "flagged": s.flagged,
                    "reasons": s.reasons,
                }
                for s in self.label_errors[:top]
            ],
        }


def review_labels(
    data: Path,
    from_: Path,
    out: Path,
    *,
    top: int = 50,
    progress: Progress | None = None,
) -> ReviewResult:
    """List the studies whose label is most likely wrong, to be read again.

    Labels are compared with out-of-fold probabilities, of experts that have not seen the study
    (confident learning, cleanlab). Nothing in the data is changed.

    Args:
        data: The labelled data that were cross-validated.
        from_: Folder of a cross-validation, or its predictions.csv (then the page has no maps).
        out: Folder for review.csv (every study, with the reasons) and review.html.
        top: Studies on the page, the first ones.
        progress: Called with (stage, done, all), often.

    Returns:
        The studies in order, counts by body part, and the files.

    Raises:
        ConfigError: A folder of folds that was changed since.
        DatasetError: Predictions of experts that learned from the labels, or of other studies.
        DependencyError: The extra 'report' or 'review' is not installed.

    Example::

        found = review_labels(Path("table.csv"), Path("runs/cv"), Path("runs/review"))
        [s.study.key for s in found.label_errors[:10]]
    """
    require("report", "review")
    from ulna.evaluation.out_of_fold import find_predictions
    from ulna.labels.label_errors import rank_labels, write_label_errors
    from ulna.report.review_page import count_by_part, write_review_page

    check_outputs(out, "review.csv", "review.html", "receipt.json")
    predictions = find_predictions(from_)
    label_errors = rank_labels(index_data(data), predictions)
    experts = fold_experts(from_, label_errors[:top])
    out.mkdir(parents=True, exist_ok=True)
    table, page = out / "review.csv", out / "review.html"
    write_label_errors(label_errors, table)
    entries, scale = show_head(label_errors[:top], experts, progress or silent)
    about = {
        "data": data.name,
        "predictions": from_.name,
        "notes": [] if experts else [NO_FOLDS],
        "phantoms": are_phantoms(label_errors),
        "words": answer_words(meaning_of(predictions)),
    }
    write_review_page(label_errors, entries, scale, about, page)
    review_receipt(out, data, predictions, [s.study for s in label_errors])
    return ReviewResult(label_errors, count_by_part(label_errors), bool(experts), table, page)
