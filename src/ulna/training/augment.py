"""Random augmentation of a batch. Every draw is a function of the random generator."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ulna.config.augmentation import Augmentation
from ulna.training.signature.change import change_signature, changes_signature
from ulna.training.signature.detector import blurred

# Images that are shrunk by less than this need no smoothing before.
_SHARP = 0.85


class Rows(NamedTuple):
    """The images `chosen` of a batch that this process augments. Draws cover the whole batch."""

    chosen: npt.NDArray[np.int64]
    batch_size: int


class Crops(NamedTuple):
    """Square crops of side x side px around centres (B, 2), x and y in [-1, 1] of the image."""

    side: int
    centres: npt.NDArray[np.float32]


class _Moves(NamedTuple):
    """Affine transforms of N images.

    theta_N23: maps from [-1, 1] of the augmented image to the original one. fill: (N,) share of the
    frame that each image is shrunk to, or None where none is.
    """

    theta_N23: Tensor
    fill: npt.NDArray[np.float64] | None


def draw_moves(
    n: int,
    settings: Augmentation,
    rng: np.random.Generator,
    fill: npt.NDArray[np.float64] | None = None,
) -> _Moves:
    """Draw the transforms of `n` images. fill: from `draw_fill`, drawn here if it is None."""
    theta_N23 = draw_affine(n, settings, rng)
    if fill is None and settings.least_fill < 1:
        fill = draw_fill(n, settings, rng)
    return _Moves(theta_N23 if fill is None else shrink(theta_N23, fill, rng), fill)


def augment(
    images_BHW: Tensor,
    masks_Bhw: Tensor,
    settings: Augmentation,
    rng: np.random.Generator,
    crops: Crops | None = None,
    rows: Rows | None = None,
    moves: _Moves | None = None,
) -> tuple[Tensor, Tensor]:
    """Augment each image at random, and its mask where pixels move.

    images_BHW, masks_Bhw: uint8, square. Returns float32 (B, 1, S, S) and (B, 1, s, s) in [0, 1],
    of whole images or of `crops` only, at the cost of the crops' pixels. crops: of the whole batch,
    of which the images are `rows` (None: all). moves: of the whole batch, from `draw_moves`, drawn
    here if it is None.
    """
    rows = rows or Rows(np.arange(len(images_BHW)), len(images_BHW))
    moves = moves or draw_moves(rows.batch_size, settings, rng)
    drawn_N23 = moves.theta_N23.to(images_BHW.device)
    softened = None if moves.fill is None else moves.fill[rows.chosen]
    theta = drawn_N23[torch.from_numpy(rows.chosen).to(images_BHW.device)]
    size, mask_size = images_BHW.shape[-1], masks_Bhw.shape[-1]
    if crops is not None:
        mask_size = round(crops.side / size * mask_size)
        reach = reach_of(drawn_N23)
        mine = Crops(crops.side, crops.centres[rows.chosen])
        images_BHW, masks_Bhw, theta = cut_crops(images_BHW, masks_Bhw, theta, mine, reach)
        size = crops.side
    images = warp(images_BHW, theta, size, softened)
    masks = warp(masks_Bhw, theta, mask_size)
    if changes_signature(settings):
        seeds = rng.integers(2**62, size=rows.batch_size)[rows.chosen]
        images, masks = change_signature(images, masks, settings, seeds)
    return change_grey(images, settings, rng, rows), masks


def reach_of(theta_N23: Tensor) -> float:
    """Return how many times a crop's side the most transformed crop extends in its image."""
    return float(theta_N23[:, :, :2].abs().sum(2).max())


def cut_crops(
    images_BHW: Tensor, masks_Bhw: Tensor, theta_B23: Tensor, crops: Crops, reach: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut out of each image the part that its crop needs, and express the transform in that part.

    reach: from `reach_of`. Warping converts its whole input to float, so warping whole images would
    cost more than warping crops.
    """
    size, mask_size = images_BHW.shape[-1], masks_Bhw.shape[-1]
    stride = size // mask_size
    cells = min(mask_size, 2 * math.ceil(reach * crops.side / stride / 2) + 2)
    centre = (torch.from_numpy(crops.centres) + 1) / 2 * mask_size
    first = (centre - cells / 2).round().clamp(0, mask_size - cells).long()
    image_parts, mask_parts = [], []
    for image, mask, (x, y) in zip(images_BHW, masks_Bhw, first.tolist(), strict=True):
        mask_parts.append(mask[y : y + cells, x : x + cells])
        rows = slice(y * stride, (y + cells) * stride)
        image_parts.append(image[rows, x * stride : (x + cells) * stride])
    theta = theta_B23.clone()
    theta[:, :, :2] *= crops.side / (cells * stride)
    theta[:, :, 2] = ((centre - first) / cells * 2 - 1).to(theta.device)
    return torch.stack(image_parts), torch.stack(mask_parts), theta


def as_float(images_BHW: Tensor) -> Tensor:
    """Convert uint8 (B, H, W) to float32 (B, 1, H, W) in [0, 1]."""
    return images_BHW[:, None].float() / 255


def draw_affine(n: int, a: Augmentation, rng: np.random.Generator) -> Tensor:
    """Draw (n, 2, 3) maps from [-1, 1] of the augmented image to [-1, 1] of the original one."""
    angle = rng.uniform(-1, 1, n) * math.radians(a.rotation)
    scale = np.exp(rng.uniform(-1, 1, n) * math.log1p(a.scale))
    flip = np.where(rng.random(n) < a.flip, -1.0, 1.0)
    shift = rng.uniform(-1, 1, (n, 2)) * 2 * a.translation
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    rows = [[cos * flip, -sin, shift[:, 0]], [sin * flip, cos, shift[:, 1]]]
    return torch.from_numpy(np.moveaxis(np.array(rows), -1, 0).astype(np.float32))


def draw_fill(n: int, a: Augmentation, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw the (n,) shares of the frame to shrink images to, log-uniform from `least_fill`."""
    return np.asarray(a.least_fill ** rng.random(n))


def shrink(theta_N23: Tensor, fill: npt.NDArray[np.float64], rng: np.random.Generator) -> Tensor:
    """Compose the maps of `draw_affine` with shrinking to `fill` (N,) of the frame, anywhere in it.

    Pixels around the shrunk image are sampled outside the original one and are 0.
    """
    free = rng.uniform(-1, 1, (len(fill), 2)) * (1 - fill[:, None])
    where = torch.from_numpy(free.astype(np.float32)).to(theta_N23.device)
    turned = theta_N23[:, :, :2] / torch.from_numpy(fill.astype(np.float32)).to(where.device).view(
        -1, 1, 1
    )
    moved = theta_N23[:, :, 2] - (turned @ where[:, :, None])[:, :, 0]
    return torch.cat([turned, moved[:, :, None]], 2)


def warp(
    x_BHW: Tensor,
    theta_B23: Tensor,
    side: int,
    fill: npt.NDArray[np.float64] | None = None,
) -> Tensor:
    """Sample uint8 (B, H, W) through the maps of `draw_affine`: float32 (B, 1, side, side).

    fill: (B,) share of the frame that each image will fill. Details finer than a pixel are smoothed
    before, as in an image that was stored smaller.
    """
    x = as_float(x_BHW)
    for i, share in enumerate([] if fill is None else fill.tolist()):
        if share < _SHARP:
            x[i, 0] = blurred(x[i, 0], 0.5 * math.sqrt(1 / share**2 - 1))
    return warp_float(x, theta_B23, side)


def warp_float(x: Tensor, theta_B23: Tensor, side: int) -> Tensor:
    """Sample float32 (B, C, H, W) through the maps of `draw_affine`, 0 beyond its borders."""
    grid = functional.affine_grid(theta_B23, [len(x), 1, side, side], align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", align_corners=False)


def change_grey(
    x_B1HW: Tensor, a: Augmentation, rng: np.random.Generator, rows: Rows | None = None
) -> Tensor:
    """Change gamma, contrast, brightness and polarity, add noise, erase patches; stay in [0, 1]."""
    chosen, n = rows or Rows(np.arange(len(x_B1HW)), len(x_B1HW))

    def column(values: npt.NDArray[np.float64]) -> Tensor:
        mine = values[chosen].astype(np.float32)
        return torch.from_numpy(mine).to(x_B1HW.device).view(-1, 1, 1, 1)

    gamma = column(np.exp2(rng.uniform(-1, 1, n) * a.gamma))
    contrast = column(1 + rng.uniform(-1, 1, n) * a.contrast)
    shift = column(rng.uniform(-1, 1, n) * a.brightness)
    invert = column((rng.random(n) < a.invert).astype(np.float64))
    sigma = column(rng.random(n) * a.noise)
    seed = int(rng.integers(2**62))
    x = x_B1HW.clamp(1e-6, 1).pow(gamma)
    x = (x - 0.5) * contrast + 0.5 + shift
    x = x + (1 - 2 * x) * invert
    if a.noise:
        # Drawn on the CPU so that a run's augmentation is the same on every device.
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn((n, *x.shape[1:]), generator=generator)
        mine = noise if len(chosen) == n else noise[torch.from_numpy(chosen)]
        x = x + sigma * mine.to(x.device)
    x = x.clamp(0, 1)
    return _erase(x, a.erase, rng, Rows(chosen, n)) if a.erase else x


def _erase(x_B1HW: Tensor, probability: float, rng: np.random.Generator, rows: Rows) -> Tensor:
    side = x_B1HW.shape[-1]
    place = {int(row): i for i, row in enumerate(rows.chosen)}
    for row in np.flatnonzero(rng.random(rows.batch_size) < probability).tolist():
        h, w = rng.integers(side // 16, side // 5, 2)
        top, left, grey = rng.integers(side - h), rng.integers(side - w), float(rng.random())
        if row in place:
            x_B1HW[place[row], :, top : top + h, left : left + w] = grey
    return x_B1HW
