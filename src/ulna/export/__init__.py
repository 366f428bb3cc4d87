"""Export of a trained run to a bundle: torch to ONNX, with a comparison of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.export.run import export_bundle

__all__ = ["export_bundle"]

__getattr__ = lazy_getattr(__name__, {"run": ("export_bundle",)})
