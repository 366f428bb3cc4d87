"""From a trained run to a bundle: torch goes in, ONNX comes out, both are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.export.run import export_bundle

__all__ = ["export_bundle"]


def __getattr__(name: str) -> Any:
    if name == "export_bundle":
        from ulna.export.run import export_bundle

        return export_bundle
    raise AttributeError(f"module 'ulna.export' has no attribute {name!r}")
