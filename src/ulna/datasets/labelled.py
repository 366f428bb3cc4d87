"""Studies that can teach or be scored, and one note on the others."""

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
    """The labelled ones of `studies`; one DatasetWarning with counts and keys for the others.

    purpose: what they are for, as the note begins ("training"). parts: those that will do, None
    for any. part_needed: whether a study of unknown body part is left out. heads: those that teach
    other heads than that of the label (see `teaches_heads`) are kept, too.
    """
    left = LeftOut()
    kept = []
    for study in studies:
        if why := _why_not(study, parts, part_needed, heads):
            left.add(why, study.key)
        else:
            kept.append(study)
    if kept:  # where none is left the caller's error says so
        left.warn(f"{purpose}: of {len(studies)} studies")
    return kept


def teaches_heads(study: Study) -> bool:
    """Whether a study without a label says what a source of several knows of its findings."""
    return bool(study.source) and study.abnormal is None and study.categories is not None


def teaches_beside(study: Study) -> bool:
    """Whether a study of several sources teaches though it cannot be scored by itself.

    It has no label but findings (`teaches_heads`), or a label but no known body part, as images of
    the lower limb: these teach the heads of all.
    """
    labelled_alone = study.abnormal is not None and study.body_part is None
    return teaches_heads(study) or (bool(study.source) and labelled_alone)


def _why_not(
    study: Study, parts: Collection[BodyPart] | None, part_needed: bool, heads: bool
) -> str:
    if study.abnormal is None and not (heads and teaches_heads(study)):
        return "without a label"
    if study.body_part is None:
        return "of unknown body part" if part_needed else ""
    if parts is not None and study.body_part not in parts:
        return f"of {study.body_part}, which is not among the body parts asked for"
    return ""
