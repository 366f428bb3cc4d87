"""A whole imaging plate as its reader delivers it: frame, white strips, streaks, divided images.

Everything is drawn from the random stream of the confounders and says nothing about the label.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ulna.config.phantom import Confounder
from ulna.phantom.confounders import Confounders, band, marker
from ulna.phantom.solids import MU_SOFT
from ulna.types import Array, Laterality


@dataclass(frozen=True)
class Cassette:
    """Artefacts of one cassette and its reader.

    strips: widths of the saturated strips at top, bottom, left and right, as shares of the image's
    height or width. rim: widths of the thin bright rim in px. fog: grey of air. headroom:
    attenuation shown white, relative to the densest part of the limb. ceiling: largest attenuation
    shown white, on images of an arm and beside the chest, so that greys do not depend on the trunk.
    edge: strengths of the reader's edge enhancement, wide and fine. streaks: strength of the
    reader's streaks. divider: widths at top and bottom, as shares of the image's width, and grey of
    the wedge between two views. numbers: uniform draws that vary shapes and places.
    """

    strips: tuple[float, float, float, float]
    rim: tuple[float, float, float, float]
    fog: float
    headroom: float
    ceiling: tuple[float, float]
    edge: tuple[float, float]
    streaks: float
    divider: tuple[float, float, float]
    numbers: tuple[float, ...]

    @property
    def margins(self) -> tuple[float, float, float]:
        """Shares of height or width not exposed at top, bottom and sides, with a margin.

        The sides have one value, since the image may be mirrored.
        """
        top, bottom, left, right = self.strips
        return top + 0.04, bottom + 0.04, max(left, right) + 0.06


def draw_cassette(rng: np.random.Generator) -> Cassette:
    """Draw the artefacts of one cassette."""
    strips = [
        float(rng.uniform(0.01, 0.07)) if rng.random() < p else 0.0 for p in (0.1, 0.4, 0.05, 0.12)
    ]
    if rng.random() < 0.07:  # a part of the plate was not exposed
        strips[1 + int(rng.integers(3))] = float(rng.uniform(0.1, 0.3))
    top, bottom, left, right = strips
    rim = [float(rng.uniform(0.5, 3.0)) if rng.random() < 0.6 else 0.0 for _ in range(4)]
    return Cassette(
        strips=(top, bottom, left, right),
        rim=(rim[0], rim[1], rim[2], rim[3]),
        fog=float(rng.uniform(0.02, 0.13)) if rng.random() < 0.8 else float(rng.uniform(0.13, 0.3)),
        headroom=float(np.exp(rng.uniform(np.log(1.05), np.log(2.5)))),
        ceiling=(float(rng.uniform(2.1, 3.3)), float(rng.uniform(1.9, 3.2))),
        edge=(float(rng.uniform(0.0, 0.5)), float(rng.uniform(0.0, 1.2))),
        streaks=float(rng.uniform(0.0, 0.012)),
        divider=(
            float(rng.uniform(0.0, 0.06)),
            float(rng.uniform(0.0, 0.06)),
            1.0 if rng.random() < 0.65 else 0.0,
        ),
        numbers=tuple(float(x) for x in rng.random(12)),
    )


def remove_artefacts(cassette: Cassette, left_out: Collection[Confounder]) -> Cassette:
    """Return `cassette` without the artefacts named in `left_out`."""
    none = (0.0,) * 4
    if "borders" in left_out:
        cassette = replace(cassette, strips=none, rim=none)
    if "streaks" in left_out:
        cassette = replace(cassette, streaks=0.0)
    if "enhancement" in left_out:
        cassette = replace(cassette, edge=(0.0, 0.0))
    return cassette


def develop_cassette(
    seen: Array,
    dense: npt.NDArray[np.bool_],
    beside: bool,
    cassette: Cassette,
    confounders: Confounders,
    side: Laterality,
) -> npt.NDArray[np.uint8]:
    """Return the (H, W) uint8 image of the attenuation `seen` by the detector.

    dense: (H, W) whether a pixel shows bone. beside: whether the image shows the chest too.
    """
    level = np.percentile(seen[dense], 99) if dense.sum() > 50 else seen.max()
    ceiling = cassette.ceiling[int(beside)]
    white = max(min(float(level), ceiling) * cassette.headroom, 0.3)
    grey = np.clip(seen / white, 0, 1.5)
    for strength, reach in zip(cassette.edge, (0.02, 0.003), strict=True):
        grey = grey + strength * (grey - ndimage.gaussian_filter(grey, reach * max(grey.shape)))
    grey = np.minimum(np.where(grey > 0, np.maximum(grey, 0) ** confounders.gamma, 0.5 * grey), 1)
    grey = cassette.fog + (0.94 - cassette.fog) * grey + _streaks(grey.shape, cassette)
    if confounders.coarse:
        grey = ndimage.gaussian_filter(grey, 0.6)
    if shows_marker(confounders):
        grey = np.maximum(grey, marker(grey.shape, confounders.numbers[8:12], side))
    grey = np.maximum(grey, _frame(grey.shape, cassette))
    image = 1 - grey if shows_inverted(confounders) else grey
    levels: npt.NDArray[np.uint8] = np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)
    return levels


def shows_marker(confounders: Confounders) -> bool:
    """Whether a plate shows a side marker, which is rarer than on a collimated image."""
    return confounders.marker and confounders.numbers[7] < 0.4


def shows_inverted(confounders: Confounders) -> bool:
    """Whether a plate has inverted polarity, which is rarer than for a collimated image."""
    return confounders.inverted and confounders.numbers[6] < 0.3


def divide(grey: npt.NDArray[np.uint8], cassette: Cassette) -> npt.NDArray[np.uint8]:
    """Return the (H, W) image with a wedge between its two fields."""
    out = grey.copy()
    out[_wedge(grey.shape, cassette)] = int(228 * cassette.divider[2] + 8)
    return out


def hidden(shape: tuple[int, ...], cassette: Cassette, divided: bool) -> npt.NDArray[np.bool_]:
    """Return (H, W) whether strips or the wedge cover a pixel."""
    covered: npt.NDArray[np.bool_] = _frame(shape, replace(cassette, rim=(0.0,) * 4)) > 0.5
    return covered | _wedge(shape, cassette) if divided else covered


def _wedge(shape: tuple[int, ...], cassette: Cassette) -> npt.NDArray[np.bool_]:
    height, width = shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    top, bottom, _ = cassette.divider
    half = 0.5 * width * (top + (bottom - top) * rows / height) + 0.4
    inside: npt.NDArray[np.bool_] = np.abs(columns - width / 2 - 3 * cassette.numbers[4]) < half
    return inside


def _streaks(shape: tuple[int, ...], cassette: Cassette) -> Array:
    """Return coarse and fine streaks along one axis of the reader, to be added to the image."""
    rng = np.random.default_rng(int(cassette.numbers[0] * 2**32))
    across = int(cassette.numbers[1] < 0.5)
    line = rng.standard_normal(shape[across])
    line = 3 * ndimage.gaussian_filter(line, 9) + 0.5 * ndimage.gaussian_filter(line, 1)
    spread: Array = (cassette.streaks * line).astype(np.float32)
    return spread[:, None] if across == 0 else spread[None, :]


def _frame(shape: tuple[int, ...], cassette: Cassette) -> Array:
    """Return (H, W) white strips with a soft, slanted border and a notch, and a bright rim."""
    height, width = shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    away = (rows, height - 1 - rows, columns, width - 1 - columns)
    along = (columns / width, columns / width, rows / height, rows / height)
    out = np.zeros(shape, np.float32)
    for i in range(4):
        tilt = 4 * (cassette.numbers[2 + i] - 0.5)
        distance = away[i] + tilt * along[i]
        if cassette.strips[i]:
            size = cassette.strips[i] * (height if i < 2 else width)
            place = cassette.numbers[6 + i]
            notch = 5 * np.exp(-(((along[i] - place) / 0.025) ** 2)) * (cassette.numbers[10] < 0.5)
            edge = 1 / (1 + np.exp(np.clip((distance + notch - size) / 1.1, -30, 30)))
            out = np.maximum(out, 0.92 * edge)
        if cassette.rim[i]:
            bright = 0.4 + 0.6 * cassette.numbers[6 + i]
            out = np.maximum(out, bright * np.clip(cassette.rim[i] - distance, 0, 1))
    return out.astype(np.float32)


def worn_attenuation(soft: Array, confounders: Confounders) -> Array:
    """Return the (H, W) attenuation of cast and bracelet on a limb that does not fill the field."""
    extra = np.zeros_like(soft)
    if confounders.cast:
        extra += _plaster(soft, confounders.numbers[:5])
    if not confounders.jewellery:
        return extra
    across, down = _crossing_rows(soft), _crossing_rows(soft.T)
    if len(across) >= len(down):
        return extra + _bracelet(soft, across, confounders.numbers[4:8])
    return extra + _bracelet(soft.T, down, confounders.numbers[4:8]).T


def _plaster(soft: Array, u: tuple[float, ...]) -> Array:
    """Return a cast around the limb between two heights of the image, with uneven walls."""
    height, width = soft.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    uneven = np.sin(rows * (0.05 + 0.1 * u[0]) + 6 * u[1]) + np.sin(columns * (0.07 + 0.1 * u[1]))
    wall = max(height, width) * (0.012 + 0.02 * u[2]) * (1 + 0.15 * uneven)
    outside = ndimage.distance_transform_edt(soft <= 1)
    inside = outside < wall
    depth = ndimage.distance_transform_edt(inside)
    path = (3 + 4 * u[3]) * (1 + 3.5 * np.exp(-((depth / (0.6 * wall)) ** 2)))
    slant = rows + (u[4] - 0.5) * 0.3 * columns
    within = (slant > 0.4 * u[3] * height) & (slant < (0.6 + 0.5 * u[0]) * height)
    shell: Array = (inside * within * path * 1.5 * MU_SOFT).astype(np.float32)
    return shell


def _crossing_rows(soft: Array) -> npt.NDArray[np.int64]:
    """Return the rows that cross one limb once, and no trunk."""
    inside = (soft > 4).astype(np.int8)
    runs = (np.diff(inside, axis=1, prepend=0) == 1).sum(1)
    width = inside.sum(1)
    rows: npt.NDArray[np.int64] = np.flatnonzero((runs == 1) & (width > 14) & (width < 110))
    return rows


def _bracelet(soft: Array, rows: npt.NDArray[np.int64], u: tuple[float, ...]) -> Array:
    if not len(rows):
        return np.zeros_like(soft)
    near = np.zeros_like(soft)
    row = int(rows[int(u[0] * (len(rows) - 1))])
    near[row] = soft[row]
    return band(near, row, u)
