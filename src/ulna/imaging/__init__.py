"""Radiographs as arrays: reading, geometry, outlines and overlays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.first_use import on_first_use

if TYPE_CHECKING:
    from ulna.imaging.read import read_radiograph

__all__ = ["read_radiograph"]

__getattr__ = on_first_use(
    __name__,
    {
        "read": ("read_radiograph",),
    },
)
