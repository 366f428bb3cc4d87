"""Random changes of a training image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ulna.config.bounds import Bounds, Share, check_fields, recorded


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image; 0 switches a change off (`least_fill`: 1).

    Ranges are symmetric about no change, and every image is drawn for itself. The changes from
    `least_fill` on imitate what distinguishes one hospital's images from another's
    (docs/sources.md), and are off by default. Shares are of the side or of the grey range [0, 1].

    Attributes:
        rotation: Largest angle in degrees, to either side.
        translation: Largest shift along each axis, as a share of the side.
        scale: Sizes are drawn log-uniformly from 1 / (1 + scale) to 1 + scale.
        brightness: Largest offset added to all greys, as a share of the grey range.
        contrast: Contrast about mid-grey is multiplied by 1 - contrast to 1 + contrast.
        gamma: Greys are raised to the power 2 ** g, with g from -gamma to gamma.
        noise: Largest standard deviation of the Gaussian noise, on the grey range [0, 1].
        invert: Probability that dark and bright are exchanged.
        flip: Probability of a left-right mirror image.
        erase: Probability that a rectangle with sides of 1/16 to 1/5 of the image gets one grey.
        least_fill: Images are shrunk to a share of the frame from this to 1, drawn log-uniformly,
            and placed anywhere in it.
        frame: Probability of a collimator's edge or a cassette's border; a finding that it covers
            counts as not visible.
        letters: Probability of one to three letters or short words, with or without a white plate;
            a finding that they cover counts as not visible.
        veil: Probability of a bright veil over a part of the image, as of a cast.
        edges: Largest strength of edge enhancement: up to this many times the fine detail is added
            or taken away (at most all of it). Two in three images are changed.
        resample: Images are reduced to 1 - resample to 1 of their pixels per side, and enlarged
            again. Two in three images are changed.
        jpeg: Probability of a JPEG compression of quality 10 to 90.
        tone: Largest distance of a random increasing grey curve from the straight line, as a share
            of the grey range. Two in three images are changed.
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
