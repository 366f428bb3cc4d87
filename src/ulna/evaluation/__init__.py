"""Evaluate a bundle on labelled studies: rows, scores with intervals, tables, MURA's score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.evaluation.pipeline import evaluate

__all__ = ["evaluate"]

__getattr__ = lazy_getattr(__name__, {"pipeline": ("evaluate",)})
