"""From measures of films to tests with a bar, and to the verdict that the bundle keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ulna.attribution.examination.measures import MAP, FilmMeasures
from ulna.attribution.examination.rivals import RIVALS
from ulna.bundle import MapExamination, MapTest
from ulna.evaluation.scores import Resampling, share

# A rank correlation from which two maps are called alike; the published examinations of
# radiographs call structural similarities of 0.5 so (Arun et al. 2021).
ALIKE = 0.5


def judge(
    films: Sequence[FilmMeasures], data: str, how: Resampling, not_made: dict[str, str]
) -> MapExamination:
    """Every test over the `films`, with 95 % intervals over patients.

    Against rivals a test is the mean difference from the better of them, paired by film, and its
    bar is 0; likeness has the bar ALIKE.
    """
    patients = [f.patient_id for f in films]

    def test(name: str, values: Sequence[float], bar: float, above: bool) -> MapTest:
        found = share(patients, values, how)
        return MapTest(name, found.value, found.low, found.high, bar, above)

    whole = max(films[0].randomised)
    tests = [
        test("pointing game", _lead(films, lambda f: f.pointing, +1), 0.0, True),
        test("average precision", _lead(films, lambda f: f.precision, +1), 0.0, True),
        test("deletion", _lead(films, lambda f: f.deletion, -1), 0.0, True),
        test("insertion", _lead(films, lambda f: f.insertion, +1), 0.0, True),
        test("randomisation", [f.randomised[whole] for f in films], ALIKE, False),
    ]
    repeated = [f.repeated for f in films if f.repeated is not None]
    if len(repeated) == len(films):
        tests.append(test("repeatability", repeated, ALIKE, True))
    return MapExamination(data, len(films), tuple(tests), not_made)


def _lead(
    films: Sequence[FilmMeasures], of: Callable[[FilmMeasures], dict[str, float]], sign: int
) -> list[float]:
    """How much better the map is than the better rival, by film. sign: +1 if more is better."""
    means = {r: sum(of(f)[r] for f in films) * sign for r in RIVALS}
    rival = max(RIVALS, key=lambda r: means[r])
    return [sign * (of(f)[MAP] - of(f)[rival]) for f in films]
