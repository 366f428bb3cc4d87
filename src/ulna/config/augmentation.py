"""Random changes of a training image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ulna.config.bounds import Bounds, Share, check_fields, recorded


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image; each range is symmetric about no change.

    rotation: degrees; translation, scale: share of the side; brightness, contrast: share of
    the grey range; gamma: log2 units; noise: standard deviation on [0, 1]; invert, flip,
    erase: probabilities.

    The others take away what tells one hospital's images from another's, and are off unless asked
    for (docs/sources.md): least_fill: images are shrunk to a share of the frame between this and 1
    (log-uniform), anywhere in it. frame, letters, veil: probabilities of a collimator's edge or
    cassette's border, of letters with or without their white plate, of a bright veil like a cast's
    over a part; a finding that is covered counts as not seen. edges: strength of edge
    enhancement, up to so many times the fine detail is added, or up to all of it blurred away.
    resample: images are brought to a share of their pixels' number a side between 1 and 1 minus
    this, and back. jpeg: probability of a JPEG compression, of quality 10 to 90. tone: how far the
    grey levels of an increasing random curve lie from a straight line, of the grey range.
    """

    rotation: Annotated[float, Bounds(0, 180)] = 12.0
    translation: Annotated[float, Bounds(0, 0.5)] = 0.05
    scale: Annotated[float, Bounds(0, 3)] = 0.12
    brightness: Share = 0.1
    contrast: Share = 0.2
    gamma: Annotated[float, Bounds(0, 4)] = 0.3
    noise: Share = 0.01
    invert: Share = 0.05
    flip: Share = 0.5
    erase: Share = 0.0
    least_fill: Annotated[float, Bounds(0.1, 1)] = 1.0
    frame: Share = 0.0
    letters: Share = 0.0
    veil: Share = 0.0
    edges: Annotated[float, Bounds(0, 4)] = 0.0
    resample: Annotated[float, Bounds(0, 0.9)] = 0.0
    jpeg: Share = 0.0
    tone: Annotated[float, Bounds(0, 0.5)] = 0.0

    def __post_init__(self) -> None:
        if recorded():
            return
        check_fields(self, "augmentation")
