"""Settings of a phantom data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from ulna.config.bounds import Bounds, Count, Distinct, Seed, Share, check_fields
from ulna.errors import ConfigError
from ulna.types import BodyPart, FindingCategory

PHANTOM_PARTS = (BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST)
ALL_PHANTOM_PARTS = tuple(BodyPart)
Framing = Literal["collimated", "plate"]
Accident = Literal[
    "cast", "jewellery", "marker", "inverted", "borders", "streaks", "enhancement", "holder"
]
ACCIDENTS: tuple[Accident, ...] = get_args(Accident)


@dataclass(frozen=True)
class PhantomConfig:
    """A phantom data set; the same config gives the same bytes.

    studies: in all, dealt to `parts` in turn. size: longest side of an image in px.
    abnormal_share: of each part's studies. valid_share: of each part's studies that go to the
    `valid` tree (1: a pure test set). obvious, moderate, subtle: intended shares of abnormal
    studies by subtlety. image: 'close', the body part fills the field; 'cassette', a whole image of
    35 x 43 or 24 x 30 cm with the limb somewhere in it (about 0.95 mm a pixel at size 448).
    without: accidents that no image has; everything else is as it would be with them ('borders':
    white strips and rims, 'streaks' and 'enhancement': of the reader, 'holder': a second arm; these
    four are of cassettes). findings: what abnormal studies show, in their usual proportions.
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
    without: Annotated[tuple[Accident, ...], Distinct()] = ()
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
