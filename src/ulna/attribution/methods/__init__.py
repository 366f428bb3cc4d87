"""The built-in map beside other methods, where the truth is known; and maps as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.attribution.methods.compare import compare_methods
    from ulna.attribution.methods.method_score import MethodScore
    from ulna.attribution.methods.picture import explain_study

__all__ = ["MethodScore", "compare_methods", "explain_study"]


def __getattr__(name: str) -> Any:
    if name == "MethodScore":
        from ulna.attribution.methods.method_score import MethodScore

        return MethodScore
    if name == "compare_methods":
        from ulna.attribution.methods.compare import compare_methods

        return compare_methods
    if name == "explain_study":
        from ulna.attribution.methods.picture import explain_study

        return explain_study
    raise AttributeError(f"module 'ulna.attribution.methods' has no attribute {name!r}")
