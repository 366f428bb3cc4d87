"""Names of a package are imported lazily."""

from __future__ import annotations

import sys

import pytest

from ulna.lazy_imports import lazy_getattr


def test_a_module_is_imported_for_its_names_alone() -> None:
    load = lazy_getattr("json", {"decoder": ("JSONDecoder",), "nowhere": ("Nothing",)})
    assert load("JSONDecoder") is sys.modules["json.decoder"].JSONDecoder
    with pytest.raises(ModuleNotFoundError, match=r"json\.nowhere"):
        load("Nothing")
    with pytest.raises(AttributeError, match="module 'json' has no attribute 'decoder'"):
        load("decoder")
