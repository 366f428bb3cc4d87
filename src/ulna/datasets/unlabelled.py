"""Images that are used without their labels, for self-supervision and distillation."""

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
    """Return the studies of several data sets without their labels and body parts.

    `data` are the labelled studies that the student is trained and tested on. Images of the same
    files and studies of the same patients are left out, and so are studies that a data set itself
    holds out, all with a DatasetWarning. Patients of phantoms are not compared, since every
    phantom data set numbers them from 1. Body parts are removed because the teacher predicts
    them. Raises DatasetError where no study remains.
    """
    known, people = Overlap(data), Overlap(s for s in data if not s.simulated)
    left, unlabelled = LeftOut(), []
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
                unlabelled.append(Study(f"also{n}-{study.patient_id}", name, None, bare))
    left.warn("images without labels")
    if sets and not unlabelled:
        raise DatasetError(
            f"none of {sum(len(s) for s in sets)} studies without labels is of other files and "
            "patients than the labelled data: expected other images"
        )
    return tuple(unlabelled)
