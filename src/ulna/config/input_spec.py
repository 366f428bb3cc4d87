"""What a network expects of one radiograph."""

from __future__ import annotations

from dataclasses import dataclass

from ulna.errors import ConfigError


@dataclass(frozen=True)
class InputSpec:
    """Everything `prepare` needs, saved in the bundle.

    size: side of the square input in px. low/high_percentile: grey values (of the film's own
    pixels, percent) that become 0 and 1. mean, std: subtracted from and divided into the
    result, in units of that [0, 1] scale. local_contrast: 0, or the side of the neighbourhood, as
    a share of `size`, whose mean and deviation every pixel is measured by (see
    `preprocess.contrast`): limbs that are dim on a film then look like others.
    """

    size: int = 224
    mean: float = 0.5
    std: float = 0.25
    low_percentile: float = 0.5
    high_percentile: float = 99.5
    local_contrast: float = 0.0

    def __post_init__(self) -> None:
        if not 32 <= self.size <= 2048:
            raise ConfigError(f"input size {self.size}: expected 32 to 2048 px")
        if self.std <= 0:
            raise ConfigError(f"input std {self.std}: expected a positive number")
        if not 0 <= self.local_contrast <= 1:
            raise ConfigError(f"local contrast {self.local_contrast}: expected 0 to 1 of the side")
        if not 0 <= self.low_percentile < self.high_percentile <= 100:
            raise ConfigError(
                f"percentiles {self.low_percentile}, {self.high_percentile}: "
                "expected 0 <= low < high <= 100"
            )
