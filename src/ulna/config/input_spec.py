"""Settings that turn a radiograph into the input of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ulna.config.bounds import Bounds, Share, check_fields
from ulna.errors import ConfigError


@dataclass(frozen=True)
class InputSpec:
    """Everything that `prepare` needs to make a network's input; saved in the bundle.

    Attributes:
        size: Side of the square input in px.
        mean: Subtracted from greys in [0, 1].
        std: Divisor of greys in [0, 1], after `mean` is subtracted.
        low_percentile: Percentile of the image's greys that becomes 0, in percent.
        high_percentile: Percentile of the image's greys that becomes 1, in percent.
        local_contrast: Side of the neighbourhood, as a share of `size`, by whose mean and standard
            deviation every pixel is normalised, so that dim limbs look like others (see
            `preprocess.contrast`). 0 leaves contrast as it is.
        trim_borders: Whether uniform lines at the borders (bars, frames, air) are cut off, so that
            the limb's size and greys do not depend on them (see `preprocess.borders`).
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
