"""Parsing of JSON that may be damaged: one kind of error, whatever is wrong with the text."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes, **options: Any) -> Any:
    """Parse `text` as `json.loads` does, with ValueError as the only error.

    `json.loads` raises RecursionError for text that is nested some thousand levels deep; a reader
    that catches ValueError would end in a traceback. options: of `json.loads`.
    """
    try:
        return json.loads(text, **options)
    except RecursionError:
        raise ValueError("nested too deeply to be read") from None
