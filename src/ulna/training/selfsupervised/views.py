"""Two overlapping crops of each image, and the cells that show the same place.

Shape suffixes: B images, S crop's side, h w grid cells, K matched cells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ulna.config.selfsupervision import SelfSupervision
from ulna.training.augment import Crops, change_grey, cut_crops, draw_affine, reach_of, warp
from ulna.training.cache import MASK_STRIDE
from ulna.training.crops import CropSampling, draw_centres

# Share of a crop's cells that are matched: the limits of the settings on shift, rotation and scale
# leave at least this overlap.
_MATCHED_SHARE = 0.25


class Views(NamedTuple):
    """Two views of B images, the first of each before the second of each.

    pixels: (2B, 1, S, S) in [0, 1]. places: (2B, 2, 3), maps from [-1, 1] of the crop to [-1, 1] of
    the image.
    """

    pixels: Tensor
    places: Tensor


def draw_views(
    images: npt.NDArray[np.uint8], settings: SelfSupervision, rng: np.random.Generator
) -> Views:
    """Draw two views of each image; images: (B, F, F). All depends on `rng` only.

    The first crop is centred on tissue, the second lies near it. Position, rotation, flip, grey
    levels, blur and noise are drawn independently.
    """
    share = settings.crop_size / images.shape[-1]
    no_masks = np.zeros((len(images), *[images.shape[-1] // MASK_STRIDE] * 2), np.uint8)
    sampling = CropSampling.of(settings.crop_size, settings.input_spec)
    first = draw_centres(images, no_masks, sampling, rng)
    shift = rng.uniform(-2, 2, first.shape) * settings.shift * share
    second = np.clip(first + shift, share - 1, 1 - share).astype(np.float32)
    pixels, masks = torch.from_numpy(images), torch.from_numpy(no_masks)
    views = [_view(pixels, masks, centres, settings, rng) for centres in (first, second)]
    return Views(torch.cat([v.pixels for v in views]), torch.cat([v.places for v in views]))


def _view(
    images_BFF: Tensor,
    masks_Bmm: Tensor,
    centres: npt.NDArray[np.float32],
    settings: SelfSupervision,
    rng: np.random.Generator,
) -> Views:
    changes, side = settings.augmentation, settings.crop_size
    theta_B23 = draw_affine(len(images_BFF), changes, rng)
    crops, reach = Crops(side, centres), reach_of(theta_B23)
    parts, _, theta = cut_crops(images_BFF, masks_Bmm, theta_B23, crops, reach)
    soft = _soften(warp(parts, theta, side), settings.blur, rng)
    places = theta_B23.clone()
    places[:, :, :2] *= side / images_BFF.shape[-1]
    places[:, :, 2] = torch.from_numpy(centres)
    return Views(change_grey(soft, changes, rng), places)


def _soften(x_B1SS: Tensor, most: float, rng: np.random.Generator) -> Tensor:
    """Apply a binomial 3 x 3 smoothing with a weight up to `most` to each image."""
    share = torch.from_numpy(rng.uniform(0, most, (len(x_B1SS), 1, 1, 1)).astype(np.float32))
    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line)[None, None]
    padded = functional.pad(x_B1SS, (1, 1, 1, 1), mode="replicate")
    return torch.lerp(x_B1SS, functional.conv2d(padded, kernel), share)


def match_cells(places_V23: Tensor, h: int, w: int) -> tuple[Tensor, Tensor]:
    """Match the cells of the first crops with points of the second ones.

    places_V23: of `Views`, so V = 2B. Returns (B, K) indices into the h x w cells and (B, K, 2) the
    same points in [-1, 1] of the second crop, the K nearest to its centre.
    """
    first, second = places_V23.chunk(2)
    y, x = torch.meshgrid(_middles(h, places_V23), _middles(w, places_V23), indexing="ij")
    cells_N2 = torch.stack([x.flatten(), y.flatten()], -1)
    image_BN2 = cells_N2 @ first[:, :, :2].mT + first[:, None, :, 2]
    from_middle = image_BN2 - second[:, None, :, 2]
    seen_BN2 = from_middle @ torch.linalg.inv(second[:, :, :2]).mT
    k = max(2, round(_MATCHED_SHARE * h * w))
    chosen_BK = seen_BN2.abs().amax(-1).topk(k, dim=1, largest=False).indices
    return chosen_BK, seen_BN2.gather(1, chosen_BK[:, :, None].expand(-1, -1, 2))


def _middles(n: int, like: Tensor) -> Tensor:
    return (torch.arange(n, device=like.device, dtype=like.dtype) + 0.5) / n * 2 - 1
