"""Images as arrays: reading, geometry, outlines and overlays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.imaging.read import read_radiograph

__all__ = ["read_radiograph"]

__getattr__ = lazy_getattr(__name__, {"read": ("read_radiograph",)})
