"""Findings from maps: laws on random maps, closed forms on simple ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Polygon
from scipy import ndimage

from ulna.errors import ImageError
from ulna.imaging.outline import findings_from_map


def shoelace(line: np.ndarray) -> float:
    x, y = line[:, 0].astype(float), line[:, 1].astype(float)
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(-1, 2), st.floats(0, 4))
def test_laws(h: int, w: int, threshold: float, smooth: float) -> None:
    noise = np.random.default_rng(h * 61 + w).normal(size=(h, w))
    heat = ndimage.gaussian_filter(noise, smooth).astype(np.float32)
    result = findings_from_map(heat, threshold, limit=h * w)
    above = heat > np.float32(threshold)
    assert bool(result) == above.any()
    scores = [f.score for f in result]
    assert scores == sorted(scores, reverse=True) and all(s > threshold - 1e-6 for s in scores)
    covered = np.zeros_like(above)
    for finding in result:
        x, y, width, height = (int(v) for v in finding.box)
        inside = heat[y : y + height, x : x + width]
        assert inside.max() >= finding.score - 1e-6
        covered[y : y + height, x : x + width] = True
        line = finding.outline
        assert line.ndim == 2 and line.shape[1] == 2 and len(line) >= 4 and np.isfinite(line).all()
        assert (line >= [x - 0.51, y - 0.51]).all()
        assert (line <= [x + width + 0.51, y + height + 0.51]).all()
        assert (line >= 0).all() and (line <= [w, h]).all()
    assert covered[above].all()
    if result:
        assert result[0].score == pytest.approx(heat.max())


def test_disc_has_its_box_area_and_score() -> None:
    y, x = np.mgrid[:100, :120] + 0.5
    heat = 20 - np.hypot(x - 50, y - 40)
    (finding,) = findings_from_map(heat, 0.0)
    assert finding.box == (30.0, 20.0, 40.0, 40.0)
    assert finding.score == pytest.approx(20 - np.hypot(0.5, 0.5), abs=1e-5)
    assert shoelace(finding.outline) == pytest.approx(np.pi * 400, rel=0.01)
    assert Polygon(finding.outline).contains_point((50, 40))


def test_region_at_the_border_is_closed_on_the_border() -> None:
    heat = np.zeros((10, 10))
    heat[:4, :5] = 1
    (finding,) = findings_from_map(heat, 0.5)
    assert finding.box == (0.0, 0.0, 5.0, 4.0)
    assert finding.outline.min() == 0
    assert shoelace(finding.outline) == pytest.approx(20, abs=0.6)


def test_whole_map_above() -> None:
    (finding,) = findings_from_map(np.ones((6, 8)), 0.5)
    assert finding.box == (0.0, 0.0, 8.0, 6.0)
    assert shoelace(finding.outline) == pytest.approx(48, abs=0.6)


def test_ring_is_outlined_on_its_outer_side() -> None:
    y, x = np.mgrid[:80, :80] + 0.5
    radius = np.hypot(x - 40, y - 40)
    (finding,) = findings_from_map(10 - np.abs(radius - 20), 0.0)
    assert shoelace(finding.outline) == pytest.approx(np.pi * 900, rel=0.02)


def test_strongest_first_and_at_most_the_limit() -> None:
    heat = np.zeros((40, 40))
    heat[2, 2], heat[20, 20], heat[30:33, 5:8] = 1.0, 3.0, 2.0
    assert [f.score for f in findings_from_map(heat, 0.5)] == [3.0, 2.0, 1.0]
    assert [f.score for f in findings_from_map(heat, 0.5, limit=1)] == [3.0]
    assert findings_from_map(heat, 3.0) == ()


def test_a_peak_keeps_strong_regions_whole_and_drops_weak_ones() -> None:
    y, x = np.mgrid[:60, :60] + 0.5
    heat = np.maximum(10 - np.hypot(x - 15, y - 15), 5 - np.hypot(x - 45, y - 45))
    strong, weak = findings_from_map(heat, 1.0)
    assert findings_from_map(heat, 1.0, peak=4.0) == (strong, weak)
    (kept,) = findings_from_map(heat, 1.0, peak=6.0)
    assert kept.box == strong.box and (kept.outline == strong.outline).all()
    assert findings_from_map(heat, 1.0, peak=strong.score) == ()


@pytest.mark.parametrize("heat", [np.zeros(3), np.zeros((0, 3)), np.full((3, 3), np.inf)])
def test_no_map(heat: np.ndarray) -> None:
    with pytest.raises(ImageError, match="heat map"):
        findings_from_map(heat, 0.0)
    with pytest.raises(ImageError, match="threshold"):
        findings_from_map(np.zeros((3, 3)), float("nan"))


def _hill(height: float, width: float = 6.0) -> np.ndarray:
    y, x = np.mgrid[:60, :80]
    return height * np.exp(-((x - 40) ** 2 + (y - 30) ** 2) / (2 * width**2))


def test_a_share_of_the_peak_makes_outlines_of_one_size() -> None:
    """Report: outlines were larger the stronger the finding, up to several times its size."""
    plain = [findings_from_map(_hill(h), 1.0)[0].box[2] for h in (20.0, 2000.0)]
    shared = [findings_from_map(_hill(h), 1.0, share=0.2)[0].box[2] for h in (20.0, 2000.0)]
    assert plain[1] > 1.4 * plain[0] and shared[0] == shared[1] < plain[0]
    level = 0.2 * _hill(2000.0).max()
    (finding,) = findings_from_map(_hill(2000.0), 1.0, share=0.2)
    columns = np.flatnonzero((_hill(2000.0) > level).any(axis=0))
    assert finding.box[::2] == (columns[0], len(columns))


def test_without_a_share_nothing_changes_and_weak_parts_of_a_region_go() -> None:
    two = _hill(100.0, 3.0) + np.roll(_hill(30.0, 3.0), 12, axis=1)
    (whole,) = findings_from_map(two, 1.0, peak=50.0)
    (strong,) = findings_from_map(two, 1.0, peak=50.0, share=0.2)
    assert strong.box[2] < whole.box[2] and strong.score == whole.score
    assert len(findings_from_map(two, 1.0, peak=20.0, share=0.2)) == 2
    with pytest.raises(ImageError, match="share"):
        findings_from_map(two, 1.0, share=1.0)


def test_what_all_regions_add_is_the_mean_of_the_map() -> None:
    """Of a square image: the map's mean is the logit but for its bias."""
    heat = np.maximum(_hill(10.0)[:, :60] - 1.0, 0)
    result = findings_from_map(heat, 0.0)
    assert sum(f.adds or 0 for f in result) == pytest.approx(heat.mean(), rel=1e-5)
