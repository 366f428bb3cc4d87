"""Every reader of JSON gets one kind of error, also for text that is nested too deeply."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ulna.json_text import parse_json

SOURCES = Path(__file__).parents[1] / "src" / "ulna"


def test_it_reads_what_json_reads() -> None:
    assert parse_json('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    assert parse_json(b"[true]") == [True]
    assert parse_json("1.5", parse_float=str) == "1.5"


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, "1" * 5_000])
def test_whatever_is_wrong_is_a_value_error(text: str) -> None:
    """A journal of `ulna predict --table` that was nested deeply ended in a traceback."""
    with pytest.raises(ValueError, match=r"\S"):
        parse_json(text)


def test_no_module_parses_json_otherwise() -> None:
    call = re.compile(r"\bjson\.loads?\(")
    others = [p for p in SOURCES.rglob("*.py") if call.search(p.read_text("utf-8"))]
    assert [p.name for p in others] == ["json_text.py"]
