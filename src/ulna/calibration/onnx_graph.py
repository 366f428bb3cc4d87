"""A bundle's graph as an ONNX model, for what no engine tells of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ulna.errors import DependencyError
from ulna.runtime.session.half import in_single

if TYPE_CHECKING:
    import onnx


def read_graph(graph: Path | bytes, purpose: str) -> onnx.ModelProto:
    """The model with all weights in single precision, under their own names.

    purpose: what for, as the error begins ("counting what an expert costs"). Raises DependencyError
    without the package onnx.
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
