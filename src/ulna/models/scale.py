"""Images at other scales, with sides that every encoder divides evenly."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

_MULTIPLE = 32


def scaled_side(size: int, scale: float) -> int:
    """Return `scale` times `size` px, rounded to a multiple of 32, at least 32."""
    return max(1, round(scale * size / _MULTIPLE)) * _MULTIPLE


def resized(x_BCHW: Tensor, scale: float) -> Tensor:
    """Resize square images (B, C, H, H) by `scale`, bilinear; unchanged where the side is."""
    size = x_BCHW.shape[-1]
    side = scaled_side(size, scale)
    if scale == 1 or side == size:
        return x_BCHW
    return functional.interpolate(x_BCHW, (side, side), mode="bilinear", align_corners=False)
