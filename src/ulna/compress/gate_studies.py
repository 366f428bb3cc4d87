"""Which studies a student is examined on: labelled ones that neither it nor its teacher knows."""

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
    """The studies that a student is examined on, and in words which they are.

    given: for this alone; without them those that `data` hold out, else the run's test part. parts:
    of the run. Raises ConfigError for fewer than 20, for only one class and for images that the
    student learns from, before any hours are spent; DatasetWarning for patients of the same id, and
    for labels known to mean something else than the answers of `teacher` do.
    """
    held = [s for s in data if s.split in HELD_OUT and s.abnormal is not None]
    if given:
        chosen, words = labelled(given, "the gate"), "given for the gate"
        _check_apart(chosen, [s for studies in parts.values() for s in studies])
    elif held:
        chosen, words = held, "held out by the data"
    else:
        chosen, words = list(parts.get("test", ())), "the run's test part"
    n = sum(bool(s.abnormal) for s in chosen)
    if len(chosen) < MIN_STUDIES or n in (0, len(chosen)):
        raise ConfigError(
            f"{len(chosen)} studies to examine the student on ({words}), {n} of them abnormal: "
            f"expected at least {MIN_STUDIES}, of both classes: give others (--gate), a larger "
            "'test' fraction, or what students on folds have shown (--proof)"
        )
    warn_of_meaning(chosen, teacher, f"the gate ({words})")
    return chosen, words


def _check_apart(gate: Sequence[Study], data: Sequence[Study]) -> None:
    learned = Overlap(data)
    shared = [s.key for s in gate if learned.images(s)]
    if shared:
        raise ConfigError(
            f"{len(shared)} of {len(gate)} studies given for the gate are of the data that the "
            f"student learns from (first: {shared[0]}): expected others"
        )
    if known := [s.key for s in gate if learned.patient(s)]:
        warnings.warn(
            f"{len(known)} of {len(gate)} studies given for the gate have the patient_id of one "
            f"that the student learns from (first: {known[0]}): if it is the same patient, the "
            "gate's figures are flattered; give others",
            DatasetWarning,
            stacklevel=3,
        )
