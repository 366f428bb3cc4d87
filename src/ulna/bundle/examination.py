"""What became of the examination of a bundle's heat maps; travels in its manifest."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ulna.errors import BundleError


@dataclass(frozen=True)
class MapTest:
    """One test: `value` with its interval; passed where the interval clears `bar`.

    above: whether passing is low > bar, else high < bar.
    """

    name: str
    value: float
    low: float
    high: float
    bar: float
    above: bool

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.value, self.low, self.high, self.bar))):
            raise BundleError(f"map test {self.name!r}: expected finite numbers")

    @property
    def passed(self) -> bool:
        """Whether the whole interval lies on the right side of the bar."""
        return self.low > self.bar if self.above else self.high < self.bar

    @property
    def undecided(self) -> bool:
        """Whether the bar lies inside the interval: more images would tell."""
        return self.low <= self.bar <= self.high


@dataclass(frozen=True)
class MapExamination:
    """All tests that could be made, on n_images of `data`; not_made: name -> why."""

    data: str
    n_images: int
    tests: tuple[MapTest, ...]
    not_made: dict[str, str]

    def __post_init__(self) -> None:
        if not self.tests or self.n_images < 1:
            raise BundleError("map examination without a test or an image: expected some")

    @property
    def failed(self) -> tuple[str, ...]:
        """The tests that were not passed."""
        return tuple(t.name for t in self.tests if not t.passed)

    @property
    def reliable(self) -> bool:
        """Whether every test that was made is passed."""
        return not self.failed


def map_verdict(result: MapExamination | None) -> str:
    """What readers of an answer are told of its heat map, in a line."""
    if result is None:
        return "heat maps: not examined (ulna examine)"
    n, images = len(result.tests), f"{result.n_images} images of {result.data}"
    if result.reliable:
        return f"heat maps: passed {n} of {n} tests on {images}"
    failed = f"{', '.join(result.failed)} ({len(result.failed)} of {n} tests)"
    open_ = [t.name for t in result.tests if t.undecided]
    more = f"; undecided on so few: {', '.join(open_)} (examine more: --studies)" if open_ else ""
    return f"heat maps: UNRELIABLE, failed {failed} on {images}{more}"
