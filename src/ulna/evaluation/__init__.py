"""Evaluate a bundle on labelled studies: rows, scores with intervals, tables, MURA's score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.first_use import on_first_use

if TYPE_CHECKING:
    from ulna.evaluation.pipeline import evaluate

__all__ = ["evaluate"]

__getattr__ = on_first_use(__name__, {"pipeline": ("evaluate",)})
