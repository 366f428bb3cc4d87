"""All changes of a source's signature, each image from a seed of its own.

What a hospital leaves on its images is no finding: how much of the frame the limb fills, letters,
collimation, the processing of the detector (edges, grey curve), pixel size, compression, casts.
Where these go with the label in one source, a network learns them; here they are drawn anew.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ulna.config.augmentation import Augmentation
from ulna.training.signature.covers import draw_frame, draw_letters
from ulna.training.signature.detector import (
    change_edges,
    change_tone,
    compress,
    lay_veil,
    lower_resolution,
)

_QUALITY = (10.0, 90.0)
# Of the images, those that are given other edges, pixels or tones where these are asked for.
_CHANGED = 2 / 3
_LEAST_SIDE = 16


def changes_signature(settings: Augmentation) -> bool:
    """Whether any of the changes here is asked for."""
    s = settings
    return bool(s.frame or s.letters or s.veil or s.edges or s.resample or s.jpeg or s.tone)


def change_signature(
    x_B1HW: Tensor,
    masks_B1hw: Tensor,
    settings: Augmentation,
    seeds_B: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> tuple[Tensor, Tensor]:
    """Images or windows (B, 1, H, W) in [0, 1] with another hospital's marks, and their masks.

    masks: (B, 1, h, w) in [0, 1], of a side that divides the images': what is covered by a frame or
    a letter is not seen, and leaves the mask. seeds_B: one for each image, which decides all, so
    that an image is changed alike whatever stands beside it. Nothing here moves pixels.
    """
    pixels, masks = [], []
    for x, mask, seed in zip(x_B1HW, masks_B1hw, seeds_B.tolist(), strict=True):
        changed, seen = _change(x[0], settings, np.random.default_rng(seed))
        pixels.append(changed[None])
        if seen is not None and mask.any():
            mask = mask * _share_seen(seen, mask.shape[-2:])
        masks.append(mask)
    return torch.stack(pixels), torch.stack(masks)


def _share_seen(seen_HW: Tensor, size: torch.Size) -> Tensor:
    """(1, h, w) the share of each cell that is not covered."""
    return functional.adaptive_avg_pool2d(seen_HW[None, None], (size[0], size[1]))[0]


def _change(x: Tensor, s: Augmentation, rng: np.random.Generator) -> tuple[Tensor, Tensor | None]:
    """One (H, W) image, and where it is still seen: None for everywhere.

    In the order in which an image comes to be: what lies in the beam, the detector's processing,
    what is laid over the picture, what the archive does to it.
    """
    image = _image(x)
    if rng.random() < s.veil:
        x = x.clone()
        x[image] = lay_veil(x[image], rng)
    if s.tone and rng.random() < _CHANGED:
        x = change_tone(x, s.tone, rng)
    if s.edges and rng.random() < _CHANGED:
        x = change_edges(x, rng.uniform(-1, 1) * s.edges, float(np.exp2(rng.uniform(-1, 1.5))))
    seen: Tensor | None = None
    for draw, probability in ((draw_letters, s.letters), (draw_frame, s.frame)):
        if rng.random() < probability:
            x = x.clone()
            seen = torch.ones_like(x) if seen is None else seen
            x[image], covered = draw(x[image], rng)
            seen[image] *= 1 - covered
    if s.resample and rng.random() < _CHANGED:
        x = lower_resolution(x, 1 - rng.random() * s.resample)
    if rng.random() < s.jpeg:
        x = compress(x, rng.uniform(*_QUALITY))
    return x.clamp(0, 1), seen


def _image(x: Tensor) -> tuple[slice, slice]:
    """Where an image that was made smaller lies in its frame: all but black rows and columns."""
    result = []
    for axis in (1, 0):
        shown = torch.nonzero(x.amax(axis) > 0)[:, 0]
        first, last = (int(shown[0]), int(shown[-1]) + 1) if len(shown) else (0, 0)
        whole = last - first < _LEAST_SIDE
        result.append(slice(0, x.shape[1 - axis]) if whole else slice(first, last))
    return result[0], result[1]
