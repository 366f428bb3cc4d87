"""The results of the tests of a bundle's heat maps (`ulna examine`), stored in its manifest."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ulna.errors import BundleError


@dataclass(frozen=True)
class MapTest:
    """One test: `value` with its interval (low, high), compared with the limit `bar`.

    above: whether the test is passed by low > bar, else by high < bar.
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
        """Whether the whole interval lies on the required side of `bar`."""
        return self.low > self.bar if self.above else self.high < self.bar

    @property
    def undecided(self) -> bool:
        """Whether `bar` lies inside the interval, so that more images are needed."""
        return self.low <= self.bar <= self.high


@dataclass(frozen=True)
class MapExamination:
    """All tests that could be run on n_images of `data`; not_made: name -> why it was not run."""

    data: str
    n_images: int
    tests: tuple[MapTest, ...]
    not_made: dict[str, str]

    def __post_init__(self) -> None:
        if not self.tests or self.n_images < 1:
            raise BundleError("map examination without a test or an image: expected some")

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the tests that were failed."""
        return tuple(t.name for t in self.tests if not t.passed)

    @property
    def reliable(self) -> bool:
        """Whether every test that was run is passed."""
        return not self.failed


def map_verdict(examination: MapExamination | None) -> str:
    """Describe the reliability of a bundle's heat maps in one line of text."""
    if examination is None:
        return "heat maps: not examined (ulna examine)"
    n, images = len(examination.tests), f"{examination.n_images} images of {examination.data}"
    if examination.reliable:
        return f"heat maps: passed {n} of {n} tests on {images}"
    failed = f"{', '.join(examination.failed)} ({len(examination.failed)} of {n} tests)"
    open_ = [t.name for t in examination.tests if t.undecided]
    more = f"; undecided on so few: {', '.join(open_)} (examine more: --studies)" if open_ else ""
    return f"heat maps: UNRELIABLE, failed {failed} on {images}{more}"
