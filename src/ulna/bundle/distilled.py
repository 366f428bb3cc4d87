"""The teacher of a distilled bundle and how closely the student matches it; in its manifest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ulna.errors import BundleError

TEACHER = "teacher.json"
"""The file in a student's run that describes its teacher (`Distilled`)."""
AUROC_BELOW = 0.010
"""Acceptance test: a student's AUROC may be this much below its teacher's."""
MOST_BYTES = 8_000_000
"""Acceptance test: the largest size of a student's bundle, all files together."""
_ROUNDING = 1e-12
Pair = tuple[float, float]
Interval = tuple[float, float, float]
"""A value and the ends of its 95 % interval."""


@dataclass(frozen=True)
class StudentParity:
    """The acceptance test ("gate") of a student: (teacher, student) on the same held-out studies.

    images: a description of the studies. auroc: of both. difference: student minus teacher, paired,
    with its interval by bootstrap over patients. agreement: share of studies on the same side of
    both operating points, with its interval. maps: mean rank correlation of the two heat maps of an
    image; pointing: pointing game over images with localised findings; each None if unknown.
    seconds: median per image, including reading. size: of the student's bundle in bytes. forced:
    kept although it failed.
    """

    images: str
    n_studies: int
    n_patients: int
    auroc: Pair
    difference: Interval
    agreement: Interval
    maps: float | None
    pointing: Pair | None
    seconds: Pair
    engine: str
    size: int
    forced: bool = False

    def __post_init__(self) -> None:
        numbers = (*self.auroc, *self.difference, *self.agreement, *self.seconds)
        if self.n_studies < 1 or not all(map(math.isfinite, numbers)) or min(self.seconds) <= 0:
            raise BundleError(
                f"student's parity on {self.n_studies} studies, AUROC {self.auroc}, seconds "
                f"{self.seconds}: expected some studies and finite numbers"
            )

    @property
    def faster(self) -> float:
        """The speed of the student relative to the teacher's, per image."""
        return self.seconds[0] / self.seconds[1]

    @property
    def refusals(self) -> tuple[str, ...]:
        """The reasons for which the student fails the acceptance test; empty if it passes."""
        reasons = []
        if not self.difference[0] >= -AUROC_BELOW - _ROUNDING:
            reasons.append(
                f"AUROC {self.auroc[1]:.4f}, its teacher's is {self.auroc[0]:.4f}: expected at "
                f"most {AUROC_BELOW:.3f} below"
            )
        if self.size > MOST_BYTES:
            reasons.append(
                f"the bundle weighs {self.size / 1e6:.1f} MB, expected at most "
                f"{MOST_BYTES / 1e6:.0f}"
            )
        return tuple(reasons)

    @property
    def accepted(self) -> bool:
        """Whether the student passed the acceptance test."""
        return not self.refusals


@dataclass(frozen=True)
class Distilled:
    """What a student was distilled from. teacher: hash of the teacher's bundle; name: its name.

    engine: in which the teacher was run. beside: SHA-256 of the unlabelled images that it was run
    on, '' if there were none. demonstration: whether the teacher was trained on simulated images
    only. parity: result of the acceptance test, None before it and after a new calibration.
    """

    teacher: str
    name: str
    engine: str
    beside: str = ""
    demonstration: bool = False
    parity: StudentParity | None = None


def distilled_lines(distilled: Distilled) -> Sequence[str]:
    """Describe the teacher and the distilled of the acceptance test, in lines of text."""
    whose = f"student of {distilled.name} ({distilled.teacher[:12]})"
    if distilled.parity is None:
        return (f"{whose}: not compared with it",)
    refused = "; ".join(distilled.parity.refusals)
    verdict = f"FAILED the acceptance test: {refused}" if refused else "passed the acceptance test"
    return (f"{whose}: {verdict}", *parity_lines(distilled.parity))


def parity_lines(parity: StudentParity) -> Sequence[str]:
    """Describe the figures of the acceptance test, in three lines of text."""
    value, low, high = parity.difference
    maps = "not known" if parity.maps is None else f"{parity.maps:.3f}"
    pointing = (
        "not known"
        if parity.pointing is None
        else f"{parity.pointing[0]:.3f} and {parity.pointing[1]:.3f}"
    )
    same, least, most = parity.agreement
    return (
        f"student on {parity.n_studies} studies of {parity.n_patients} patients ({parity.images}): "
        f"AUROC {parity.auroc[1]:.4f}, its teacher's {parity.auroc[0]:.4f} ({value:+.4f}, 95 % "
        f"interval {low:+.4f} to {high:+.4f})",
        f"same side on {same:.1%} of studies ({least:.1%} to {most:.1%}); maps: rank "
        f"correlation {maps}, pointing game {pointing} (teacher, student)",
        f"{parity.seconds[1]:.3f} s an image, its teacher {parity.seconds[0]:.3f} s: "
        f"{parity.faster:.1f} times faster; {parity.size / 1e6:.2f} MB; engine {parity.engine}",
    )
