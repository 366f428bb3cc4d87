"""What the experts said of a study, before fusion: the networks run once, fusion many times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ulna.imaging.geometry import Placement
from ulna.runtime.fusion import ExpertOutput
from ulna.types import ImageRef, Study


@dataclass(frozen=True)
class ImageOutputs:
    """One readable radiograph: where it lies in the input square, and each expert's output."""

    ref: ImageRef
    placement: Placement
    experts: Mapping[str, ExpertOutput]


@dataclass(frozen=True)
class StudyOutputs:
    """One study; at least one image. skipped: (path, reason) of unreadable radiographs."""

    study: Study
    images: tuple[ImageOutputs, ...]
    skipped: tuple[tuple[str, str], ...] = ()
