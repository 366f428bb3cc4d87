"""Ulna: a hybrid of experts that reads radiographs of the upper extremity. Research only.

>>> import ulna
>>> reader = ulna.load("demonstration")
>>> answer = reader.predict("film.png")
>>> 0 <= answer.probability <= 1
True

What is here is loaded when it is first used; docs/python.md has an example of each.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.api.answer import Answer as Answer
    from ulna.api.reader import Reader as Reader
    from ulna.api.reader import load as load

__version__ = "0.1.0"

_PUBLIC = {
    "Answer": "ulna.api.answer",
    "Reader": "ulna.api.reader",
    "load": "ulna.api.reader",
}
__all__ = [*sorted(_PUBLIC), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ulna' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
