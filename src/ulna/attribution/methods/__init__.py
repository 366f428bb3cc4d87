"""The built-in map beside other methods, where the truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.first_use import on_first_use

if TYPE_CHECKING:
    from ulna.attribution.methods.compare import compare_methods
    from ulna.attribution.methods.method_score import MethodScore

__all__ = ["MethodScore", "compare_methods"]

__getattr__ = on_first_use(
    __name__,
    {
        "compare": ("compare_methods",),
        "method_score": ("MethodScore",),
    },
)
