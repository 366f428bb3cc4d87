"""Phantoms: simulated radiographs of 3-D upper extremities, with exact ground truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.phantom.contact_sheet import write_contact_sheet
    from ulna.phantom.study import PhantomStudy, render_study
    from ulna.phantom.write import write_phantoms

__all__ = ["PhantomStudy", "render_study", "write_contact_sheet", "write_phantoms"]

__getattr__ = lazy_getattr(
    __name__,
    {
        "contact_sheet": ("write_contact_sheet",),
        "study": ("PhantomStudy", "render_study"),
        "write": ("write_phantoms",),
    },
)
