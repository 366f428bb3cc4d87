"""What a network expects of one radiograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ulna.config.bounds import Bounds, Share, check_fields
from ulna.errors import ConfigError


@dataclass(frozen=True)
class InputSpec:
    """Everything `prepare` needs, saved in the bundle.

    size: side of the square input in px. low/high_percentile: grey values (of the image's own
    pixels, percent) that become 0 and 1. mean, std: subtracted from and divided into the
    result, in units of that [0, 1] scale. local_contrast: 0, or the side of the neighbourhood, as
    a share of `size`, whose mean and deviation every pixel is measured by (see
    `preprocess.contrast`): limbs that are dim on an image then look like others. trim_borders:
    plain lines at the borders (bars, cassettes' frames, air) are left out (see
    `preprocess.borders`), so that the limb's size and greys do not depend on them.
    """

    size: Annotated[int, Bounds(32, 2048)] = 224
    mean: Annotated[float, Bounds(-1_000, 1_000)] = 0.5
    std: Annotated[float, Bounds(1e-6, 1_000)] = 0.25
    low_percentile: Annotated[float, Bounds(0, 100)] = 0.5
    high_percentile: Annotated[float, Bounds(0, 100)] = 99.5
    local_contrast: Share = 0.0
    trim_borders: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "input")
        if not self.low_percentile < self.high_percentile:
            raise ConfigError(
                f"percentiles {self.low_percentile}, {self.high_percentile}: "
                "expected 0 <= low < high <= 100"
            )
