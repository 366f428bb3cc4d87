"""Images of which only the pixels are used, whatever their own data say of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from ulna.datasets.left_out import LeftOut
from ulna.datasets.overlap import Overlap
from ulna.errors import DatasetError
from ulna.types import Study

HELD_OUT = ("valid", "test")


def without_labels(sets: Sequence[Sequence[Study]], data: Sequence[Study]) -> tuple[Study, ...]:
    """The images of several data sets as studies without labels, which teach by answers alone.

    data: what the student trains and is examined on, whose images are left out, and whose patients
    are (but of phantoms, which are numbered from 1 in every set), with a DatasetWarning; so is
    what the sets hold out themselves. Body parts are forgotten too: the teacher recognises them.
    Raises DatasetError where nothing is left.
    """
    known, people = Overlap(data), Overlap(s for s in data if not s.simulated)
    left, result = LeftOut(), []
    for n, others in enumerate(sets):
        for study in others:
            shared = known.images(study)
            images = tuple(i for i in study.images if os.path.realpath(i.path) not in shared)
            if study.split in HELD_OUT:
                left.add("held out by their own data", study.key)
            elif not images:
                left.add("of files that the labelled data hold", study.key)
            elif not study.simulated and people.patient(study):
                left.add("of patients of the labelled data", study.key)
            else:
                bare = tuple(replace(i, findings=(), mask=None) for i in images)
                name = f"{study.body_part or ''}-{study.study_id}"
                result.append(Study(f"also{n}-{study.patient_id}", name, None, bare))
    left.warn("images without labels")
    if sets and not result:
        raise DatasetError(
            f"none of {sum(len(s) for s in sets)} studies without labels is of other files and "
            "patients than the labelled data: expected other images"
        )
    return tuple(result)
