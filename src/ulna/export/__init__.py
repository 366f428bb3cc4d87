"""From a trained run to a bundle: torch goes in, ONNX comes out, both are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.export.run import export_bundle, load_expert

__all__ = ["export_bundle", "load_expert"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from ulna.export import run

        return getattr(run, name)
    raise AttributeError(f"module 'ulna.export' has no attribute {name!r}")
