"""Inference without torch: `Predictor` makes predictions for studies from a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.runtime.fusion import ExpertOutput
    from ulna.runtime.outputs import ImageOutputs, StudyOutputs
    from ulna.runtime.predictor import Predictor

__all__ = ["ExpertOutput", "ImageOutputs", "Predictor", "StudyOutputs"]

__getattr__ = lazy_getattr(
    __name__,
    {
        "fusion": ("ExpertOutput",),
        "outputs": ("ImageOutputs", "StudyOutputs"),
        "predictor": ("Predictor",),
    },
)
