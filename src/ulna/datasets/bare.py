"""Films of which only the pixels are used, whatever their own data say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ulna.datasets.left_out import LeftOut
from ulna.errors import DatasetError
from ulna.types import Study

HELD_OUT = ("valid", "test")


def without_labels(
    sets: Sequence[tuple[str, Sequence[Study]]], data: tuple[str, Sequence[Study]]
) -> tuple[Study, ...]:
    """The films of several data sets as studies without labels, which teach by answers alone.

    sets, data: kind ('phantom', 'table', ...) and studies; `data`: what the student trains and is
    examined on, whose files are left out, and whose patients are (but of phantoms, which are
    numbered from 1 in every set), with a DatasetWarning; so is what the sets hold out themselves.
    Body parts are forgotten too: the teacher recognises them. Raises DatasetError where nothing
    is left.
    """
    kind, studies = data
    files = {i.path.resolve() for s in studies for i in s.images}
    patients = set() if kind == "phantom" else {s.patient_id for s in studies}
    left, found = LeftOut(), []
    for n, (own, others) in enumerate(sets):
        for study in others:
            images = tuple(i for i in study.images if i.path.resolve() not in files)
            if study.split in HELD_OUT:
                left.add("held out by their own data", study.key)
            elif not images:
                left.add("of files that the labelled data hold", study.key)
            elif own != "phantom" and study.patient_id in patients:
                left.add("of patients of the labelled data", study.key)
            else:
                bare = tuple(replace(i, findings=(), mask=None) for i in images)
                name = f"{study.body_part or ''}-{study.study_id}"
                found.append(Study(f"also{n}-{study.patient_id}", name, None, bare))
    left.warn("films without labels")
    if sets and not found:
        raise DatasetError(
            f"none of {sum(len(s) for _, s in sets)} studies without labels is of other files and "
            "patients than the labelled data: expected other films"
        )
    return tuple(found)
