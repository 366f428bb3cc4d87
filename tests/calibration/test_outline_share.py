"""Outlines as large as the findings: the pixels of the outlines, the choice of the share."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from ulna.calibration import outline_share
from ulna.calibration.outline_share import LARGEST, MIN_IMAGES, SHARES, fit_outline_share, measure
from ulna.imaging.outline import findings_from_map

LEVELS = (1.0, 20.0)


def _image(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A map that falls off slowly around the place of a finding."""
    y, x = np.mgrid[:80, :80]
    away = np.hypot(x - rng.integers(25, 55), y - rng.integers(25, 55))
    size = rng.uniform(4, 8)
    heat = rng.uniform(30, 3000) * np.exp(-away / size)
    return heat.astype(np.float32), away < 1.5 * size


def _fit(monkeypatch: pytest.MonkeyPatch, images: list) -> float:
    monkeypatch.setattr(outline_share, "_images", lambda *_: images)
    return fit_outline_share([], {}, SimpleNamespace(), LEVELS)  # type: ignore[arg-type]


def test_the_share_makes_outlines_no_larger_than_twice_the_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    share = _fit(monkeypatch, [_image(rng) for _ in range(40)])
    new = [_image(rng) for _ in range(60)]
    ratio = {s: np.median([measure(h, p, LEVELS, s)[1] for h, p in new]) for s in (0.0, share)}  # type: ignore[index]
    assert share in SHARES and ratio[share] <= LARGEST < ratio[0.0]


def test_few_images_of_known_place_choose_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    assert _fit(monkeypatch, [_image(rng) for _ in range(MIN_IMAGES - 1)]) == 0.0


def test_images_are_processed_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report: 300 images of ten million pixels and their maps were held in memory, 11 GB."""
    held: list[weakref.ref[np.ndarray]] = []
    rng = np.random.default_rng(3)

    def images(*_: object) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _number in range(MIN_IMAGES + 5):
            heat, place = _image(rng)
            held.append(weakref.ref(heat))
            assert sum(r() is not None for r in held) <= 3
            yield heat, place

    monkeypatch.setattr(outline_share, "_images", images)
    assert fit_outline_share([], {}, SimpleNamespace(), LEVELS) in SHARES  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_what_is_measured_is_what_is_outlined(share: float) -> None:
    heat, _ = _image(np.random.default_rng(2))
    outlined = outline_share.outlined_pixels(heat, LEVELS, share)
    (finding,) = findings_from_map(heat, LEVELS[0], peak=LEVELS[1], share=share)
    assert finding.adds == pytest.approx(heat[outlined].sum() / 80**2, rel=1e-5)
    rows, columns = np.flatnonzero(outlined.any(axis=1)), np.flatnonzero(outlined.any(axis=0))
    assert finding.box == (columns[0], rows[0], len(columns), len(rows))
