"""Phantoms: procedural 3-D radiographs of the upper extremity with exact ground truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.phantom.contact_sheet import write_contact_sheet
    from ulna.phantom.study import PhantomStudy, render_study
    from ulna.phantom.write import write_phantoms

__all__ = ["PhantomStudy", "render_study", "write_contact_sheet", "write_phantoms"]


def __getattr__(name: str) -> Any:
    if name == "write_phantoms":
        from ulna.phantom.write import write_phantoms

        return write_phantoms
    if name == "write_contact_sheet":
        from ulna.phantom.contact_sheet import write_contact_sheet

        return write_contact_sheet
    if name in ("PhantomStudy", "render_study"):
        from ulna.phantom import study

        return getattr(study, name)
    raise AttributeError(f"module 'ulna.phantom' has no attribute {name!r}")
