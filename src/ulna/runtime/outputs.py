"""What the experts said of a study, before fusion: the networks run once, fusion many times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ulna.imaging.geometry import Placement
from ulna.runtime.fusion import ExpertOutput
from ulna.types import Array, ImageRef, Study


@dataclass(frozen=True)
class ImageOutputs:
    """One readable radiograph: where it lies in the input square, and each expert's output.

    foreign: why its pixels alone say that it is no image, or ''. page: it has the greys of a
    printed page. inverted: the outputs are those of its negative. negative: (C,) features of the
    negative by expert, disturbed: what they say of a changed copy, without a map; where
    calibration asked for them.
    """

    ref: ImageRef
    placement: Placement
    experts: Mapping[str, ExpertOutput]
    non_radiograph: str = ""
    page: bool = False
    inverted: bool = False
    negative: Mapping[str, Array] = field(default_factory=dict)
    disturbed: Mapping[str, ExpertOutput] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyOutputs:
    """One study; at least one image. skipped: (path, reason) of unreadable radiographs."""

    study: Study
    images: tuple[ImageOutputs, ...]
    skipped: tuple[tuple[str, str], ...] = ()
