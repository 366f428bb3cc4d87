"""Plan of a phantom data set: body part, split, patient and label of every study."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ulna.config.phantom import PhantomConfig
from ulna.types import BodyPart

# One in so many studies of a body part is the second visit of a patient.
_RETURN_EVERY = 10


@dataclass(frozen=True)
class StudyPlan:
    """One study; patient: unique in the data set; visit: 1 or 2; split: 'train' or 'valid'."""

    index: int
    body_part: BodyPart
    split: str
    patient: int
    visit: int
    abnormal: bool

    @property
    def patient_id(self) -> str:
        return f"patient{self.patient + 1:05d}"

    @property
    def folder(self) -> str:
        """Path of the study as in MURA: split/XR_PART/patient/studyK_label."""
        label = "positive" if self.abnormal else "negative"
        return f"{self.split}/XR_{self.body_part}/{self.patient_id}/study{self.visit}_{label}"


def plan_study(config: PhantomConfig, index: int) -> StudyPlan:
    """Return the plan of study `index`.

    Body parts are dealt in turn, and the last studies of each part are the valid ones. Every part
    and split has `abnormal_share` to the nearest study, in an order drawn from the seed.
    """
    n_parts = len(config.parts)
    p, k = index % n_parts, index // n_parts
    total = (config.studies - p + n_parts - 1) // n_parts
    n_train = total - round(config.valid_share * total)
    valid = k >= n_train
    place, count = (k - n_train, total - n_train) if valid else (k, n_train)
    visit = 2 if place % _RETURN_EVERY == _RETURN_EVERY - 1 else 1
    return StudyPlan(
        index=index,
        body_part=config.parts[p],
        split="valid" if valid else "train",
        patient=index - n_parts if visit == 2 else index,
        visit=visit,
        abnormal=_label(config, p, int(valid), place, count),
    )


def _label(config: PhantomConfig, part: int, side: int, place: int, count: int) -> bool:
    rng = np.random.default_rng(np.random.SeedSequence((config.seed, 9, part, side)))
    order = rng.permutation(count)
    abnormal = math.floor(config.abnormal_share * count + 0.5)
    return bool(order[place] < abnormal)
