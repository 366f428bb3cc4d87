"""Ulna: a hybrid of experts that reads radiographs of the upper extremity. Research only.

>>> import ulna
>>> reader = ulna.load("demonstration")
>>> answer = reader.predict("image.png")
>>> 0 <= answer.probability <= 1
True

What is here is loaded when it is first used; docs/python.md has an example of each.
"""

from __future__ import annotations

from ulna.lazy_imports import lazy_getattr

__version__ = "0.1.0"

_PUBLIC = {
    "api.answer": ("Answer",),
    "api.data": ("index", "split"),
    "api.expert": ("load_expert",),
    "api.reader": ("Reader", "load"),
    "api.recipes": ("recipe",),
    "api.runs": ("Run", "train"),
    "api.scores": ("cross_validate", "evaluate"),
    "config.input_spec": ("InputSpec",),
    "config.recipe": ("Recipe",),
    "errors": ("UlnaError", "UlnaWarning"),
    "recipes": ("RECIPES",),
    "training.dataset": ("RadiographDataset",),
    "types": ("BodyPart", "Radiograph", "Study"),
}
__all__ = ["__version__", *sorted(n for names in _PUBLIC.values() for n in names)]  # noqa: PLE0604
__getattr__ = lazy_getattr(__name__, _PUBLIC)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
