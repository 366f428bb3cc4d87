"""The one inference path: a bundle, its `Predictor`, answers; free of torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.runtime.fusion import ExpertOutput
    from ulna.runtime.outputs import ImageOutputs, StudyOutputs
    from ulna.runtime.predictor import Predictor

__all__ = ["ExpertOutput", "ImageOutputs", "Predictor", "StudyOutputs"]


def __getattr__(name: str) -> Any:
    if name == "Predictor":
        from ulna.runtime.predictor import Predictor

        return Predictor
    if name in ("ImageOutputs", "StudyOutputs"):
        from ulna.runtime import outputs

        return getattr(outputs, name)
    if name == "ExpertOutput":
        from ulna.runtime.fusion import ExpertOutput

        return ExpertOutput
    raise AttributeError(f"module 'ulna.runtime' has no attribute {name!r}")
