"""Changes by a detector, its processing and an archive, of an image (H, W) in [0, 1]."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

_KNOTS = 9
# Radius at which a Gaussian is truncated, in standard deviations.
_REACH = 3.0
_BLOCK = 8


def change_edges(x: Tensor, strength: float, sigma: float) -> Tensor:
    """Apply unsharp masking: add `strength` times the detail finer than a Gaussian of `sigma` px.

    A strength below 0 removes that share of the detail, all of it from -1 on.
    """
    fine = x - blurred(x, sigma)
    return (x + max(strength, -1.0) * fine).clamp(0, 1)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Return (H, W) after a Gaussian of standard deviation `sigma` px, truncated at three.

    The pixels of the border are repeated outwards.
    """
    if x.device.type == "cpu":  # much faster than a convolution
        filtered = ndimage.gaussian_filter(x.numpy(), sigma, mode="nearest", truncate=_REACH)
        return torch.from_numpy(filtered)
    reach = int(_REACH * sigma + 0.5)
    at = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(x.device)
    padded = functional.pad(x[None, None], [reach] * 4, mode="replicate")
    across = functional.conv2d(padded, kernel.view(1, 1, 1, -1))
    down: Tensor = functional.conv2d(across, kernel.view(1, 1, -1, 1))
    return down[0, 0]


def lower_resolution(x: Tensor, share: float) -> Tensor:
    """Reduce the image to `share` of its pixels a side (antialiased) and enlarge it again."""
    size = [max(8, round(share * n)) for n in x.shape]
    if size == list(x.shape):
        return x
    small = functional.interpolate(x[None, None], size, mode="bilinear", antialias=True)
    back = functional.interpolate(small, list(x.shape), mode="bilinear", align_corners=False)
    return back[0, 0]


def change_tone(x: Tensor, most: float, rng: np.random.Generator) -> Tensor:
    """Map greys through an increasing curve from 0 to 1, at most `most` from the identity.

    The steps of the curve are drawn from a Dirichlet distribution, and it is mixed with the
    identity.
    """
    line = np.linspace(0, 1, _KNOTS)
    drawn = np.concatenate([[0], np.cumsum(rng.dirichlet(np.full(_KNOTS - 1, 0.8)))])
    away = float(np.abs(drawn - line).max())
    curve = line + (drawn - line) * min(1.0, rng.random() * most / max(away, 1e-9))
    # A table look-up costs a fraction of an interpolation of each pixel.
    table = np.interp(np.linspace(0, 1, 1024), line, curve)
    levels = torch.from_numpy(table.astype(np.float32)).to(x.device)
    return levels[(x.clamp(0, 1) * 1023).round().long()]


def lay_veil(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Lay a bright, soft band with a cloudy texture over a part of the image, like plaster.

    What lies beneath stays visible with less contrast, so that no finding is hidden.
    """
    angle, strength = rng.uniform(0, np.pi), rng.uniform(0.15, 0.5)
    width, offset = rng.uniform(0.1, 0.35), rng.uniform(-0.3, 0.3)
    # The veil is smooth: a quarter of the pixels a side is enough, at a tenth of the time.
    h, w = (max(2, n // 4) for n in x.shape)
    rows = (torch.arange(h, dtype=torch.float32) / h - 0.5)[:, None]
    columns = (torch.arange(w, dtype=torch.float32) / w - 0.5)[None]
    across = (np.cos(angle) * columns + np.sin(angle) * rows - offset).abs() / width
    band = (1.3 - across).clamp(0, 0.3) / 0.3
    grain = torch.from_numpy(rng.random((1, 1, 12, 12), dtype=np.float32))
    cloud = functional.interpolate(grain, [h, w], mode="bilinear", align_corners=False)
    veil = (strength * band * (0.6 + 0.4 * cloud)).to(x.device)
    veil = functional.interpolate(veil, list(x.shape), mode="bilinear", align_corners=False)
    brighter: Tensor = torch.lerp(x, torch.ones_like(x), veil[0, 0])
    return brighter


def compress(x: Tensor, quality: float) -> Tensor:
    """Return (H, W) after the quantisation of JPEG in blocks of 8 x 8; quality: 1 to 100.

    The transform and the luminance table of ITU-T T.81 (annex A.3.3, table K.1), scaled by quality
    as in the Independent JPEG Group's encoder. Entropy coding is lossless and left out. Blocks at
    the right and lower border are padded with the pixels of the border.
    """
    h, w = x.shape
    padded = functional.pad(x[None, None], [0, -w % _BLOCK, 0, -h % _BLOCK], mode="replicate")[0, 0]
    transform, table = (t.to(x.device) for t in _tables())
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    steps = ((table * percent + 50) / 100).floor().clamp(1, 255)
    rows, columns = padded.shape[0] // _BLOCK, padded.shape[1] // _BLOCK
    blocks = padded.view(rows, _BLOCK, columns, _BLOCK).transpose(1, 2).reshape(-1, _BLOCK**2)
    coded = ((blocks * 255 - 128) @ transform.T).div_(steps).round_().mul_(steps)
    back = (coded @ transform).add_(128).div_(255)
    back = back.view(rows, columns, _BLOCK, _BLOCK).transpose(1, 2).reshape(padded.shape)
    return back[:h, :w].clamp(0, 1)


@lru_cache(1)
def _tables() -> tuple[Tensor, Tensor]:
    """(64, 64) orthonormal cosine transform of blocks row by row; (64,) table of annex K.1."""
    k, n = np.arange(_BLOCK)[:, None], np.arange(_BLOCK)[None]
    basis = np.cos((2 * n + 1) * k * np.pi / 16) * np.where(k == 0, np.sqrt(1 / 8), 0.5)
    table = (
        "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 "
        "14 17 22 29 51 87 80 62 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 "
        "49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
    )
    steps = np.array(table.split(), np.float32)
    return torch.from_numpy(np.kron(basis, basis).astype(np.float32)), torch.from_numpy(steps)
