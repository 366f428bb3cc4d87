"""Comparison of the built-in heat map with other methods, on findings with a known place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.attribution.methods.compare import compare_methods
    from ulna.attribution.methods.method_score import MethodScore

__all__ = ["MethodScore", "compare_methods"]

__getattr__ = lazy_getattr(
    __name__, {"compare": ("compare_methods",), "method_score": ("MethodScore",)}
)
