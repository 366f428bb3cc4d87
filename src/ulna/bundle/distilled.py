"""Whose answers a student has learned, and how near it comes to them; travels in its manifest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ulna.errors import BundleError

TEACHER = "teacher.json"
"""In a student's run: whose answers it learns (`Distilled`)."""
AUROC_BELOW = 0.010
"""What a student's AUROC may lie below its teacher's."""
MOST_BYTES = 8_000_000
"""What a student's bundle may weigh, all files together."""
_ROUNDING = 1e-12
Pair = tuple[float, float]
Interval = tuple[float, float, float]
"""A value and the ends of its 95 % interval."""


@dataclass(frozen=True)
class StudentParity:
    """The gate's figures: teacher and student, in this order, on the same held-out studies.

    images: which those were, in words. auroc: of both; difference: student minus teacher, paired,
    with its interval by bootstrap over patients. agreement: share of studies on the same side of
    both operating points, with its interval. maps: mean rank correlation of both maps of an image;
    pointing: game over images of known place; None each where it cannot be known. seconds: for a
    image, reading included, median. size: of the student's bundle in bytes. forced: let through
    all the same.
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
        """How many times faster than the teacher the student answers an image."""
        return self.seconds[0] / self.seconds[1]

    @property
    def refusals(self) -> tuple[str, ...]:
        """What keeps the student from being accepted; empty if nothing does."""
        message = []
        if not self.difference[0] >= -AUROC_BELOW - _ROUNDING:
            message.append(
                f"AUROC {self.auroc[1]:.4f}, its teacher's is {self.auroc[0]:.4f}: expected at "
                f"most {AUROC_BELOW:.3f} below"
            )
        if self.size > MOST_BYTES:
            message.append(
                f"the bundle weighs {self.size / 1e6:.1f} MB, expected at most "
                f"{MOST_BYTES / 1e6:.0f}"
            )
        return tuple(message)

    @property
    def accepted(self) -> bool:
        """Whether the gate let it pass."""
        return not self.refusals


@dataclass(frozen=True)
class Distilled:
    """Of a student. teacher: the hash of its bundle; name: of that bundle.

    engine: that the teacher answered in. beside: sha256 of the images without labels that it was
    asked about, '' without any. demonstration: the teacher has learned from simulated images
    alone. parity: what the gate found, None before it and after another calibration.
    """

    teacher: str
    name: str
    engine: str
    beside: str = ""
    demonstration: bool = False
    parity: StudentParity | None = None


def distilled_lines(result: Distilled) -> Sequence[str]:
    """Whose student it is, and the gate's figures, for people."""
    whose = f"student of {result.name} ({result.teacher[:12]})"
    if result.parity is None:
        return (f"{whose}: not examined beside it",)
    refused = "; ".join(result.parity.refusals)
    verdict = f"REFUSED by the gate, let through: {refused}" if refused else "the gate let it pass"
    return (f"{whose}: {verdict}", *parity_lines(result.parity))


def parity_lines(result: StudentParity) -> Sequence[str]:
    """The figures in three lines, for people."""
    value, low, high = result.difference
    maps = "not known" if result.maps is None else f"{result.maps:.3f}"
    pointing = (
        "not known"
        if result.pointing is None
        else f"{result.pointing[0]:.3f} and {result.pointing[1]:.3f}"
    )
    same, least, most = result.agreement
    return (
        f"student on {result.n_studies} studies of {result.n_patients} patients ({result.images}): "
        f"AUROC {result.auroc[1]:.4f}, its teacher's {result.auroc[0]:.4f} ({value:+.4f}, 95 % "
        f"interval {low:+.4f} to {high:+.4f})",
        f"same side on {same:.1%} of studies ({least:.1%} to {most:.1%}); maps: rank "
        f"correlation {maps}, pointing game {pointing} (teacher, student)",
        f"{result.seconds[1]:.3f} s an image, its teacher {result.seconds[0]:.3f} s: "
        f"{result.faster:.1f} times faster; {result.size / 1e6:.2f} MB; engine {result.engine}",
    )
