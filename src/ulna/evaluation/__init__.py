"""A bundle on labelled studies: rows, scores with intervals, tables, the score of MURA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.evaluation.pipeline import evaluate

__all__ = ["evaluate"]


def __getattr__(name: str) -> Any:
    if name == "evaluate":
        from ulna.evaluation.pipeline import evaluate

        return evaluate
    raise AttributeError(f"module 'ulna.evaluation' has no attribute {name!r}")
