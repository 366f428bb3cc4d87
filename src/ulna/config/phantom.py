"""Settings of a phantom data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ulna.errors import ConfigError
from ulna.types import BodyPart, FindingCategory

PHANTOM_PARTS = (BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST)
ALL_PHANTOM_PARTS = tuple(BodyPart)
FilmStyle = Literal["close", "cassette"]
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
    studies by subtlety. film: 'close', the body part fills the field; 'cassette', a whole film of
    35 x 43 or 24 x 30 cm with the limb somewhere in it (about 0.95 mm a pixel at size 448).
    without: accidents that no film has; everything else is as it would be with them ('borders':
    white strips and rims, 'streaks' and 'enhancement': of the reader, 'holder': a second arm; these
    four are of cassettes). findings: what abnormal studies show, in their usual proportions.
    """

    studies: int
    seed: int = 0
    parts: tuple[BodyPart, ...] = PHANTOM_PARTS
    size: int = 224
    abnormal_share: float = 0.5
    valid_share: float = 0.2
    obvious: float = 0.34
    moderate: float = 0.32
    subtle: float = 0.34
    film: FilmStyle = "close"
    without: tuple[Accident, ...] = ()
    findings: tuple[FindingCategory, ...] = tuple(FindingCategory)

    def __post_init__(self) -> None:
        if self.studies < 1 or self.seed < 0:
            raise ConfigError(f"{self.studies} studies, seed {self.seed}: expected >= 1 and >= 0")
        if not self.parts or len(set(self.parts)) < len(self.parts):
            raise ConfigError(f"parts {self.parts}: expected at least one, each once")
        unknown = [p for p in self.parts if p not in ALL_PHANTOM_PARTS]
        if unknown:
            known = ", ".join(ALL_PHANTOM_PARTS)
            raise ConfigError(f"no phantom of {unknown[0]}: expected {known}")
        if self.film not in get_args(FilmStyle):
            raise ConfigError(f"film {self.film!r}: expected 'close' or 'cassette'")
        if set(self.without) - set(ACCIDENTS):
            raise ConfigError(f"without {self.without}: expected some of {', '.join(ACCIDENTS)}")
        if not self.findings or set(self.findings) <= {FindingCategory.HARDWARE}:
            raise ConfigError(
                f"findings {self.findings}: expected some of {', '.join(FindingCategory)}, and not "
                "hardware alone: it is never subtle"
            )
        if not 96 <= self.size <= 1024:
            raise ConfigError(f"image size {self.size}: expected 96 to 1024 px")
        if not (0 <= self.abnormal_share <= 1 and 0 <= self.valid_share <= 1):
            raise ConfigError("abnormal_share and valid_share: expected numbers from 0 to 1")
        if abs(self.obvious + self.moderate + self.subtle - 1) > 1e-6 or self.subtle < 0.3:
            raise ConfigError(
                f"shares {self.obvious}, {self.moderate}, {self.subtle}: expected a sum of 1 with "
                "at least 0.3 subtle (phantoms are not made easier than that)"
            )
