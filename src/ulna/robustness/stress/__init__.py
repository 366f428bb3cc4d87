"""Subgroups and stress: where a bundle's answers break."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.first_use import on_first_use

if TYPE_CHECKING:
    from ulna.robustness.stress.pipeline import stress

__all__ = ["stress"]

__getattr__ = on_first_use(
    __name__,
    {
        "pipeline": ("stress",),
    },
)
