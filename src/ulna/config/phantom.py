"""Settings of a data set of phantoms (simulated radiographs)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from ulna.config.bounds import Bounds, Count, Distinct, Seed, Share, check_fields
from ulna.errors import ConfigError
from ulna.types import BodyPart, FindingCategory

PHANTOM_PARTS = (BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST)
ALL_PHANTOM_PARTS = tuple(BodyPart)
Framing = Literal["collimated", "plate"]
Confounder = Literal[
    "cast", "jewellery", "marker", "inverted", "borders", "streaks", "enhancement", "holder"
]
CONFOUNDERS: tuple[Confounder, ...] = get_args(Confounder)


@dataclass(frozen=True)
class PhantomConfig:
    """A data set of phantoms; equal settings give equal bytes.

    Attributes:
        studies: Number of studies, dealt to `parts` in turn.
        seed: Seed of all random draws.
        parts: Body parts of the studies.
        size: Longest side of an image in px.
        abnormal_share: Share of each part's studies that are abnormal.
        valid_share: Share of each part's studies in the `valid` tree; 1 makes a pure test set.
        obvious: Intended share of the abnormal studies whose finding is obvious.
        moderate: Intended share of the abnormal studies whose finding is moderately visible.
        subtle: Intended share of the abnormal studies whose finding is subtle; at least 0.3.
        framing: 'collimated': the body part fills the field. 'plate': a whole imaging plate of
            35 x 43 or 24 x 30 cm, with the limb anywhere on it (0.96 mm per pixel at size 448).
        without: Confounders that no image shows; everything else is as it would be with them.
            Only plates have 'borders' (white strips and rims), 'streaks' and 'enhancement' (of
            the plate reader) and 'holder' (the arm of someone who holds the patient's).
        findings: Categories that abnormal studies show, in their usual proportions.
    """

    studies: Count
    seed: Seed = 0
    parts: Annotated[tuple[BodyPart, ...], Distinct(1)] = PHANTOM_PARTS
    size: Annotated[int, Bounds(96, 1024)] = 224
    abnormal_share: Share = 0.5
    valid_share: Share = 0.2
    obvious: Share = 0.34
    moderate: Share = 0.32
    subtle: Annotated[float, Bounds(0.3, 1)] = 0.34
    framing: Framing = "collimated"
    without: Annotated[tuple[Confounder, ...], Distinct()] = ()
    findings: Annotated[tuple[FindingCategory, ...], Distinct(1)] = tuple(FindingCategory)

    def __post_init__(self) -> None:
        check_fields(self, "phantoms")
        if set(self.findings) <= {FindingCategory.HARDWARE}:
            raise ConfigError(
                f"findings {', '.join(self.findings)}: expected some of "
                f"{', '.join(FindingCategory)}, and not hardware alone: it is never subtle"
            )
        if abs(self.obvious + self.moderate + self.subtle - 1) > 1e-6:
            raise ConfigError(
                f"shares {self.obvious}, {self.moderate}, {self.subtle}: expected a sum of 1 with "
                "at least 0.3 subtle (phantoms are not made easier than that)"
            )
