"""Radiographs as arrays: reading, geometry, outlines and overlays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.imaging.read import read_radiograph

__all__ = ["read_radiograph"]


def __getattr__(name: str) -> Any:
    if name == "read_radiograph":
        from ulna.imaging.read import read_radiograph

        return read_radiograph
    raise AttributeError(f"module 'ulna.imaging' has no attribute {name!r}")
