"""What a study's probability is compared with for its conformal p-values; in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ulna.errors import BundleError
from ulna.types import BodyPart


@dataclass(frozen=True)
class ConformalScores:
    """Calibrated probabilities of a body part's calibration studies by label, ascending."""

    normal: tuple[float, ...] = ()
    abnormal: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, values in (("normal", self.normal), ("abnormal", self.abnormal)):
            # Written so that nan fails too.
            ordered = all(a <= b for a, b in zip(values, values[1:], strict=False))
            if not (ordered and all(0 <= v <= 1 for v in values)):
                raise BundleError(
                    f"conformal scores of {name} studies: expected ascending probabilities"
                )


@dataclass(frozen=True)
class ComparedParts:
    """The body parts whose calibration studies stand together for one, by label.

    A part with few studies of a label is compared with those of its region, or of all parts. The
    promise then is one for the studies of these parts together.
    """

    normal: tuple[BodyPart, ...]
    abnormal: tuple[BodyPart, ...]

    def scores(self, of: Mapping[BodyPart, ConformalScores]) -> ConformalScores:
        """The studies of these parts as one ascending list for each label."""
        return ConformalScores(
            tuple(sorted(v for p in self.normal for v in of[p].normal)),
            tuple(sorted(v for p in self.abnormal for v in of[p].abnormal)),
        )
