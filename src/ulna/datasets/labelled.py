"""Select the studies that can be trained or scored on, and warn of the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ulna.datasets.left_out import LeftOut
from ulna.types import BodyPart, Study


def labelled(
    studies: Sequence[Study],
    purpose: str,
    parts: Collection[BodyPart] | None = None,
    part_needed: bool = False,
    heads: bool = False,
) -> list[Study]:
    """Return the labelled ones of `studies`; one DatasetWarning counts and names the others.

    The warning begins with `purpose` ("training"). parts are the accepted body parts, None for
    any. With `part_needed`, studies of unknown body part are left out. With `heads`, studies that
    train other heads than that of the label are kept (see `_teaches_heads`).
    """
    left = LeftOut()
    kept = []
    for study in studies:
        if why := _why_not(study, parts, part_needed, heads):
            left.add(why, study.key)
        else:
            kept.append(study)
    if kept:  # otherwise the caller raises an error
        left.warn(f"{purpose}: of {len(studies)} studies")
    return kept


def _teaches_heads(study: Study) -> bool:
    """Whether an unlabelled study of one among several sources has finding labels."""
    return bool(study.source) and study.abnormal is None and study.categories is not None


def teaches_unscored(study: Study) -> bool:
    """Whether a study of one among several sources can be trained on but not scored.

    It has finding labels but no label (`_teaches_heads`), or a label but no known body part, like
    images of the lower limb, which train the heads of all body parts.
    """
    without_part = study.abnormal is not None and study.body_part is None
    return _teaches_heads(study) or (bool(study.source) and without_part)


def _why_not(
    study: Study, parts: Collection[BodyPart] | None, part_needed: bool, heads: bool
) -> str:
    if study.abnormal is None and not (heads and _teaches_heads(study)):
        return "without a label"
    if study.body_part is None:
        return "of unknown body part" if part_needed else ""
    if parts is not None and study.body_part not in parts:
        return f"of {study.body_part}, which is not among the requested body parts"
    return ""
