"""The verdict on a bundle's heat maps: tests against fixed bounds, from the measures of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ulna.attribution.examination.baselines import BASELINES
from ulna.attribution.examination.measures import MAP, ImageMeasures
from ulna.bundle import MapExamination, MapTest
from ulna.evaluation.scores import Resampling, share

# The rank correlation from which two maps are called similar. Published examinations of
# radiographs use the same bound for structural similarity (Arun et al. 2021).
ALIKE = 0.5


def judge(
    images: Sequence[ImageMeasures], data: str, resampling: Resampling, not_made: dict[str, str]
) -> MapExamination:
    """Make every test on the measures of `images`, with 95 % intervals over patients.

    A test against the baselines is the mean difference from the better of them, paired by image,
    and must lie above 0. The bound of a rank correlation is ALIKE. not_made: reasons of the tests
    that could not be made, by name.
    """
    patients = [i.patient_id for i in images]

    def test(name: str, values: Sequence[float], bar: float, above: bool) -> MapTest:
        interval = share(patients, values, resampling)
        return MapTest(name, interval.value, interval.low, interval.high, bar, above)

    whole = max(images[0].randomised)
    tests = [
        test("pointing game", _lead(images, lambda i: i.pointing, +1), 0.0, True),
        test("average precision", _lead(images, lambda i: i.precision, +1), 0.0, True),
        test("deletion", _lead(images, lambda i: i.deletion, -1), 0.0, True),
        test("insertion", _lead(images, lambda i: i.insertion, +1), 0.0, True),
        test("randomisation", [i.randomised[whole] for i in images], ALIKE, False),
    ]
    repeated = [i.repeated for i in images if i.repeated is not None]
    if len(repeated) == len(images):
        tests.append(test("repeatability", repeated, ALIKE, True))
    return MapExamination(data, len(images), tuple(tests), not_made)


def _lead(
    images: Sequence[ImageMeasures], of: Callable[[ImageMeasures], dict[str, float]], sign: int
) -> list[float]:
    """Return by image how much better the map is than the better baseline.

    sign: +1 if a larger measure is better, otherwise -1.
    """
    sums = {b: sum(of(i)[b] for i in images) * sign for b in BASELINES}
    baseline = max(BASELINES, key=lambda b: sums[b])
    return [sign * (of(i)[MAP] - of(i)[baseline]) for i in images]
