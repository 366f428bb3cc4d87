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
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Answer": "ulna.api.answer",
    "BodyPart": "ulna.types",
    "InputSpec": "ulna.config.input_spec",
    "RECIPES": "ulna.recipes",
    "RadiographDataset": "ulna.training.dataset",
    "Radiograph": "ulna.types",
    "Reader": "ulna.api.reader",
    "Recipe": "ulna.config.recipe",
    "Run": "ulna.api.runs",
    "Study": "ulna.types",
    "UlnaError": "ulna.errors",
    "UlnaWarning": "ulna.errors",
    "cross_validate": "ulna.api.scores",
    "evaluate": "ulna.api.scores",
    "index": "ulna.api.data",
    "load": "ulna.api.reader",
    "load_expert": "ulna.api.expert",
    "recipe": "ulna.api.recipes",
    "split": "ulna.api.data",
    "train": "ulna.api.runs",
}
__all__ = ["__version__", *sorted(_PUBLIC)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ulna' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
