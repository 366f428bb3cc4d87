"""Stress tests of a bundle: corruptions, views left out, and subgroups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.robustness.stress.pipeline import stress

__all__ = ["stress"]

__getattr__ = lazy_getattr(__name__, {"pipeline": ("stress",)})
