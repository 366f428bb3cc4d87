"""The studies of a student's gate: labelled ones that neither it nor its teacher has seen."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ulna.compress.student import MIN_STUDIES
from ulna.datasets.labelled import labelled
from ulna.datasets.overlap import Overlap
from ulna.errors import ConfigError, DatasetWarning
from ulna.evaluation.meaning import warn_of_meaning
from ulna.types import Study

if TYPE_CHECKING:
    from ulna.bundle import Manifest

HELD_OUT = ("valid", "test")


def gate_studies(
    given: Sequence[Study],
    data: Sequence[Study],
    parts: Mapping[str, Sequence[Study]],
    teacher: Manifest,
) -> tuple[list[Study], str]:
    """Return the studies of the gate, and a description of them.

    given: studies for the gate only. Without them, those that `data` hold out are taken, or else
    the run's test part. parts: of the run. Raises, before the training, ConfigError for fewer than
    20 studies, for only one class and for images of the student's training. A DatasetWarning names
    patients with the same id, and labels with another meaning than the answers of `teacher`.
    """
    held = [s for s in data if s.split in HELD_OUT and s.abnormal is not None]
    if given:
        chosen, origin = labelled(given, "the gate"), "given for the gate"
        _check_apart(chosen, [s for studies in parts.values() for s in studies])
    elif held:
        chosen, origin = held, "held out by the data"
    else:
        chosen, origin = list(parts.get("test", ())), "the run's test part"
    n = sum(bool(s.abnormal) for s in chosen)
    if len(chosen) < MIN_STUDIES or n in (0, len(chosen)):
        raise ConfigError(
            f"{len(chosen)} studies for the student's gate ({origin}), {n} of them abnormal: "
            f"expected at least {MIN_STUDIES}, of both classes: give others (--gate), a larger "
            "'test' fraction, or the figures of students on folds (--proof)"
        )
    warn_of_meaning(chosen, teacher, f"the gate ({origin})")
    return chosen, origin


def _check_apart(gate: Sequence[Study], data: Sequence[Study]) -> None:
    learned = Overlap(data)
    shared = [s.key for s in gate if learned.images(s)]
    if shared:
        raise ConfigError(
            f"{len(shared)} of {len(gate)} studies given for the gate are of the data that the "
            f"student learns from (first: {shared[0]}): expected studies that it has not seen"
        )
    if known := [s.key for s in gate if learned.patient(s)]:
        warnings.warn(
            f"{len(known)} of {len(gate)} studies given for the gate have the patient_id of one "
            f"that the student learns from (first: {known[0]}): if it is the same patient, the "
            "gate's figures are too good: give studies of other patients",
            DatasetWarning,
            stacklevel=3,
        )
