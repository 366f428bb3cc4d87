"""Images of the default settings stay as they were: encoders and figures were made from them.

Means and deviations of grey values, and pixels of the finding, as version 0.1 rendered them. With
a tolerance, since the last bit of an exponential differs from one processor to the next.
"""

from __future__ import annotations

import pytest

from ulna.config.phantom import PhantomConfig
from ulna.phantom import render_study

# study: (height, width), mean grey, deviation, pixels of the finding, for each view
GOLDEN = {
    0: [((96, 96), 57.43, 59.08, 273)],
    1: [((88, 53), 70.76, 77.22, 39), ((96, 48), 64.77, 80.63, 56)],
    2: [((96, 60), 143.39, 61.80, 0), ((96, 75), 73.82, 78.19, 0), ((96, 59), 103.42, 75.38, 0)],
}


@pytest.mark.parametrize("study", GOLDEN)
def test_default_images_are_those_of_the_first_version(study: int) -> None:
    views = render_study(PhantomConfig(6, 7, size=96), study).views
    assert len(views) == len(GOLDEN[study])
    for view, (shape, mean, deviation, marked) in zip(views, GOLDEN[study], strict=True):
        assert view.pixels.shape == shape
        assert view.pixels.mean() == pytest.approx(mean, abs=0.05)
        assert view.pixels.std() == pytest.approx(deviation, abs=0.05)
        assert abs(int(view.mask.sum()) - marked) <= 2
