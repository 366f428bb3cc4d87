"""From measures of images to tests with a bar, and to the verdict that the bundle keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ulna.attribution.examination.baselines import BASELINES
from ulna.attribution.examination.measures import MAP, ImageMeasures
from ulna.bundle import MapExamination, MapTest
from ulna.evaluation.scores import Resampling, share

# A rank correlation from which two maps are called alike; the published examinations of
# radiographs call structural similarities of 0.5 so (Arun et al. 2021).
ALIKE = 0.5


def judge(
    images: Sequence[ImageMeasures], data: str, how: Resampling, not_made: dict[str, str]
) -> MapExamination:
    """Every test over the `images`, with 95 % intervals over patients.

    Against baselines a test is the mean difference from the better of them, paired by image, and
    its bar is 0; likeness has the bar ALIKE.
    """
    patients = [f.patient_id for f in images]

    def test(name: str, values: Sequence[float], bar: float, above: bool) -> MapTest:
        result = share(patients, values, how)
        return MapTest(name, result.value, result.low, result.high, bar, above)

    whole = max(images[0].randomised)
    tests = [
        test("pointing game", _lead(images, lambda f: f.pointing, +1), 0.0, True),
        test("average precision", _lead(images, lambda f: f.precision, +1), 0.0, True),
        test("deletion", _lead(images, lambda f: f.deletion, -1), 0.0, True),
        test("insertion", _lead(images, lambda f: f.insertion, +1), 0.0, True),
        test("randomisation", [f.randomised[whole] for f in images], ALIKE, False),
    ]
    repeated = [f.repeated for f in images if f.repeated is not None]
    if len(repeated) == len(images):
        tests.append(test("repeatability", repeated, ALIKE, True))
    return MapExamination(data, len(images), tuple(tests), not_made)


def _lead(
    images: Sequence[ImageMeasures], of: Callable[[ImageMeasures], dict[str, float]], sign: int
) -> list[float]:
    """How much better the map is than the better baseline, by image. sign: +1 if more is better."""
    means = {r: sum(of(f)[r] for f in images) * sign for r in BASELINES}
    baseline = max(BASELINES, key=lambda r: means[r])
    return [sign * (of(f)[MAP] - of(f)[baseline]) for f in images]
