"""The calibration probabilities behind conformal p-values, stored in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ulna.errors import BundleError
from ulna.types import BodyPart


@dataclass(frozen=True)
class ConformalScores:
    """Ascending calibrated probabilities of the calibration studies of a body part, by label."""

    normal: tuple[float, ...] = ()
    abnormal: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, values in (("normal", self.normal), ("abnormal", self.abnormal)):
            ordered = all(a <= b for a, b in zip(values, values[1:], strict=False))  # no nan
            if not (ordered and all(0 <= v <= 1 for v in values)):
                raise BundleError(
                    f"conformal scores of {name} studies: expected ascending probabilities"
                )


@dataclass(frozen=True)
class ComparedParts:
    """The body parts whose calibration studies are pooled for one body part, by label.

    A part with few studies of a label is compared with those of its region, or of all parts. The
    conformal guarantee then holds for the studies of these parts together.
    """

    normal: tuple[BodyPart, ...]
    abnormal: tuple[BodyPart, ...]

    def scores(self, of: Mapping[BodyPart, ConformalScores]) -> ConformalScores:
        """The pooled scores of these parts, one ascending list for each label."""
        return ConformalScores(
            tuple(sorted(v for p in self.normal for v in of[p].normal)),
            tuple(sorted(v for p in self.abnormal for v in of[p].abnormal)),
        )
