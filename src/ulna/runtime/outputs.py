"""The experts' outputs for a study, before fusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ulna.imaging.geometry import Placement
from ulna.runtime.fusion import ExpertOutput
from ulna.types import Array, ImageRef, Study


@dataclass(frozen=True)
class ImageOutputs:
    """One readable image: its placement in the input square, and the output of each expert.

    non_radiograph: why its pixels show that it is no radiograph, or ''. page: whether it has the
    greys of a printed page. inverted: whether the outputs are those of its negative.
    For calibration only: negative, the (C,) features of the negative by expert, and disturbed, the
    outputs for a perturbed copy, without heat maps.
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
    """One study with at least one image. skipped: (path, reason) of unreadable images."""

    study: Study
    images: tuple[ImageOutputs, ...]
    skipped: tuple[tuple[str, str], ...] = ()
