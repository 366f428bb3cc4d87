"""A whole cassette as it comes from the reader: exposure, frame, white strips, divided films.

Everything is drawn from the stream of the nuisances and says nothing about the label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ulna.phantom.nuisance import Nuisance, band, marker, plaster
from ulna.types import Array, Laterality


@dataclass(frozen=True)
class Cassette:
    """One cassette's accidents.

    strips: width of the saturated strip on the top, bottom, left and right over the film's
    size. rim: width of the thin bright rim in px. fog: grey of air. headroom: attenuation that
    is white over that of the densest of the limb. ceiling: attenuation that is white at most
    (a chest is not waited for). edge: strength of the reader's edge enhancement. streaks:
    strength of the reader's stripes. divider: width at both ends, over the film's width, and
    grey of what parts a divided film. numbers: uniform draws.
    """

    strips: tuple[float, float, float, float]
    rim: tuple[float, float, float, float]
    fog: float
    headroom: float
    ceiling: float
    edge: float
    streaks: float
    divider: tuple[float, float, float]
    numbers: tuple[float, ...]


def draw_cassette(rng: np.random.Generator) -> Cassette:
    """The accidents of one cassette."""
    strips = [float(rng.uniform(0.01, 0.07)) if rng.random() < p else 0.0 for p in (0.1, 0.4, 0.05, 0.12)]
    if rng.random() < 0.07:  # a part of the film that was not exposed
        strips[int(rng.integers(4))] = float(rng.uniform(0.1, 0.3))
    top, bottom, left, right = strips
    rim = [float(rng.uniform(0.5, 3.0)) if rng.random() < 0.6 else 0.0 for _ in range(4)]
    return Cassette(
        strips=(top, bottom, left, right),
        rim=(rim[0], rim[1], rim[2], rim[3]),
        fog=float(rng.uniform(0.0, 0.13)) if rng.random() < 0.8 else float(rng.uniform(0.13, 0.3)),
        headroom=float(np.exp(rng.uniform(np.log(0.75), np.log(1.6)))),
        ceiling=float(rng.uniform(2.4, 4.2)),
        edge=float(rng.uniform(0.0, 0.5)),
        streaks=float(rng.uniform(0.0, 0.012)),
        divider=(
            float(rng.uniform(0.0, 0.06)),
            float(rng.uniform(0.0, 0.06)),
            1.0 if rng.random() < 0.65 else 0.0,
        ),
        numbers=tuple(float(x) for x in rng.random(12)),
    )


def develop_cassette(
    seen: Array, dense: npt.NDArray[np.bool_], cassette: Cassette, nuisance: Nuisance, side: Laterality
) -> npt.NDArray[np.uint8]:
    """(H, W) uint8 film from the detector's attenuation; dense: (H, W) where bone is seen."""
    level = np.percentile(seen[dense], 99) if dense.sum() > 50 else seen.max()
    white = max(min(float(level) * cassette.headroom, cassette.ceiling), 0.3)
    grey = np.clip(seen / white, 0, 1.5)
    if cassette.edge:
        grey = grey + cassette.edge * (grey - ndimage.gaussian_filter(grey, 0.02 * max(grey.shape)))
    grey = np.clip(grey, 0, 1) ** nuisance.gamma
    grey = cassette.fog + (0.97 - cassette.fog) * grey + _streaks(grey.shape, cassette)
    if nuisance.coarse:
        grey = ndimage.gaussian_filter(grey, 0.6)
    if nuisance.marker and nuisance.numbers[7] < 0.4:
        grey = np.maximum(grey, marker(grey.shape, nuisance.numbers[8:12], side))
    grey = np.maximum(grey, _frame(grey.shape, cassette))
    film = 1 - grey if nuisance.inverted and nuisance.numbers[6] < 0.3 else grey
    levels: npt.NDArray[np.uint8] = np.round(255 * np.clip(film, 0, 1)).astype(np.uint8)
    return levels


def divide(grey: npt.NDArray[np.uint8], cassette: Cassette) -> npt.NDArray[np.uint8]:
    """(H, W) the film with the wedge between its two fields."""
    height, width = grey.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    top, bottom, level = cassette.divider
    half = 0.5 * width * (top + (bottom - top) * rows / height) + 0.4
    wedge = np.abs(columns - width / 2 - 3 * cassette.numbers[4]) < half
    out = grey.copy()
    out[wedge] = int(243 * level + 8)
    return out


def _streaks(shape: tuple[int, ...], cassette: Cassette) -> Array:
    """Stripes along one direction of the reader, slow and fine."""
    rng = np.random.default_rng(int(cassette.numbers[0] * 2**32))
    across = int(cassette.numbers[1] < 0.5)
    line = rng.standard_normal(shape[across])
    line = 3 * ndimage.gaussian_filter(line, 9) + 0.5 * ndimage.gaussian_filter(line, 1)
    spread: Array = (cassette.streaks * line).astype(np.float32)
    return spread[:, None] if across == 0 else spread[None, :]


def _frame(shape: tuple[int, ...], cassette: Cassette) -> Array:
    """White strips with a soft, slanted inner border and a dark notch; a thin bright rim."""
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
            out = np.maximum(out, 0.96 * edge)
        if cassette.rim[i]:
            bright = 0.4 + 0.6 * cassette.numbers[6 + i]
            out = np.maximum(out, bright * np.clip(cassette.rim[i] - distance, 0, 1))
    return out.astype(np.float32)


def worn(soft: Array, nuisance: Nuisance) -> Array:
    """(H, W) attenuation of cast and bracelet on a limb that does not fill the field."""
    extra = np.zeros_like(soft)
    if nuisance.cast:
        extra += plaster(soft, nuisance.numbers[:4])
    if not nuisance.jewellery:
        return extra
    across, down = _single(soft), _single(soft.T)
    if len(across) >= len(down):
        return extra + _bracelet(soft, across, nuisance.numbers[4:8])
    return extra + _bracelet(soft.T, down, nuisance.numbers[4:8]).T


def _single(soft: Array) -> npt.NDArray[np.int64]:
    """The rows that cross one limb once, and no trunk."""
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
