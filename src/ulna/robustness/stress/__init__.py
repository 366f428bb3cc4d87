"""Subgroups and stress: where a bundle's answers break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.robustness.stress.pipeline import stress

__all__ = ["stress"]


def __getattr__(name: str) -> Any:
    if name == "stress":
        from ulna.robustness.stress.pipeline import stress

        return stress
    raise AttributeError(f"module 'ulna.robustness.stress' has no attribute {name!r}")
