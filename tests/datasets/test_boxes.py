"""Boxes that lie outside their image."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from ulna.datasets.boxes import warn_of_boxes_outside
from ulna.errors import DatasetWarning
from ulna.metrics.localisation import box_mask
from ulna.types import Finding, ImageRef

SHAPE = (20, 30)
INSIDE = [(0, 0, 30, 20), (29, 19, 1, 1), (-5, -5, 6, 6), (-10, -10, 500, 500), (29.5, 0, 9, 9)]
OUTSIDE = [(30, 0, 5, 5), (0, 20, 5, 5), (-5, 0, 5, 5), (0, -7, 3, 6), (400, 300, 20, 20)]


def _ref(*boxes: tuple[float, float, float, float]) -> ImageRef:
    return ImageRef(Path("image.png"), findings=tuple(Finding(b) for b in boxes))


def test_boxes_on_the_image_or_across_its_edge_are_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_boxes_outside(_ref(*INSIDE), SHAPE)
        warn_of_boxes_outside(_ref(), SHAPE)


@pytest.mark.parametrize("box", OUTSIDE)
def test_a_box_outside_the_image_is_warned_of(box: tuple[float, float, float, float]) -> None:
    with pytest.warns(DatasetWarning, match=r"image\.png: 1 of 2 boxes lie outside .* 30 x 20 px"):
        warn_of_boxes_outside(_ref(INSIDE[0], box), SHAPE)
    assert not box_mask([box], SHAPE).any()
