"""A bundle's graph as an ONNX model, for properties that no engine exposes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ulna.errors import DependencyError
from ulna.runtime.session.half import in_single

if TYPE_CHECKING:
    import onnx


def read_graph(graph: Path | bytes, purpose: str) -> onnx.ModelProto:
    """Read the model, with all weights in single precision under their own names.

    purpose: first words of the error message, such as "counting the operations of an expert".
    Raises DependencyError without the package onnx.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise DependencyError(
            f"{purpose} needs onnx: install Ulna's extra 'train' (pip install 'ulna[train]')"
        ) from None
    model = onnx.load_from_string(graph) if isinstance(graph, bytes) else onnx.load(str(graph))
    single: onnx.ModelProto = in_single(model)
    return single
