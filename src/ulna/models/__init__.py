"""Experts as torch modules: encoder, neck, linear heads, and where their weights start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.models.expert import Expert, ExpertOutput, build_expert
    from ulna.models.initial import load_initial_weights

__all__ = ["Expert", "ExpertOutput", "build_expert", "load_initial_weights"]

__getattr__ = lazy_getattr(
    __name__,
    {
        "expert": ("Expert", "ExpertOutput", "build_expert"),
        "initial": ("load_initial_weights",),
    },
)
