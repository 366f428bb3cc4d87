"""Random changes of the signature of a source, each image from its own seed.

A hospital's images have marks that are no finding: how much of the frame the limb fills, letters,
collimation, the processing of the detector (edges, grey curve), pixel size, compression, casts.
Where these correlate with the label in one source, a network learns them as shortcuts. Here they
are drawn at random.
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
# Share of the images whose edges, pixels or tones change, where the settings include them.
_CHANGED = 2 / 3
_LEAST_SIDE = 16


def changes_signature(settings: Augmentation) -> bool:
    """Return whether the settings include any of the changes."""
    s = settings
    return bool(s.frame or s.letters or s.veil or s.edges or s.resample or s.jpeg or s.tone)


def change_signature(
    x_B1HW: Tensor,
    masks_B1hw: Tensor,
    settings: Augmentation,
    seeds_B: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> tuple[Tensor, Tensor]:
    """Give images the marks of another hospital, and remove covered pixels from their masks.

    x_B1HW: images or crops in [0, 1]. masks: (B, 1, h, w) in [0, 1], of a side that divides the
    images'. Pixels under a frame or letter leave the mask. seeds_B: one for each image, which
    decides all its changes, so that they do not depend on the rest of the batch. No pixels move.
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
    """Return (1, h, w) the share of each cell that is not covered."""
    return functional.adaptive_avg_pool2d(seen_HW[None, None], (size[0], size[1]))[0]


def _change(x: Tensor, s: Augmentation, rng: np.random.Generator) -> tuple[Tensor, Tensor | None]:
    """Change one (H, W) image and return where it is still visible, None for everywhere.

    In the order in which an image is made: objects in the beam, the detector's processing,
    overlays, the archive.
    """
    area = _image_area(x)
    if rng.random() < s.veil:
        x = x.clone()
        x[area] = lay_veil(x[area], rng)
    if s.tone and rng.random() < _CHANGED:
        x = change_tone(x, s.tone, rng)
    if s.edges and rng.random() < _CHANGED:
        x = change_edges(x, rng.uniform(-1, 1) * s.edges, float(np.exp2(rng.uniform(-1, 1.5))))
    seen: Tensor | None = None
    for draw, probability in ((draw_letters, s.letters), (draw_frame, s.frame)):
        if rng.random() < probability:
            x = x.clone()
            seen = torch.ones_like(x) if seen is None else seen
            x[area], covered = draw(x[area], rng)
            seen[area] *= 1 - covered
    if s.resample and rng.random() < _CHANGED:
        x = lower_resolution(x, 1 - rng.random() * s.resample)
    if rng.random() < s.jpeg:
        x = compress(x, rng.uniform(*_QUALITY))
    return x.clamp(0, 1), seen


def _image_area(x: Tensor) -> tuple[slice, slice]:
    """Return the area of a shrunk image in its frame: all but black rows and columns."""
    slices = []
    for axis in (1, 0):
        shown = torch.nonzero(x.amax(axis) > 0)[:, 0]
        first, last = (int(shown[0]), int(shown[-1]) + 1) if len(shown) else (0, 0)
        whole = last - first < _LEAST_SIDE
        slices.append(slice(0, x.shape[1 - axis]) if whole else slice(first, last))
    return slices[0], slices[1]
