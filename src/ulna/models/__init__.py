"""Experts as torch modules: encoder, neck, linear heads, and where their weights start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.models.expert import Expert, ExpertOutput, build_expert
    from ulna.models.initial import load_initial_weights

__all__ = ["Expert", "ExpertOutput", "build_expert", "load_initial_weights"]


def __getattr__(name: str) -> Any:
    if name in ("Expert", "ExpertOutput", "build_expert"):
        from ulna.models import expert

        return getattr(expert, name)
    if name == "load_initial_weights":
        from ulna.models.initial import load_initial_weights

        return load_initial_weights
    raise AttributeError(f"module 'ulna.models' has no attribute {name!r}")
