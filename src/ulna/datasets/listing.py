"""Lists of names in messages, and natural sort order."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DIGITS = re.compile(r"(\d+)")


def listed(names: Iterable[object], limit: int = 10) -> str:
    """Return the first `limit` of `names`, one on each line, and the number of the others."""
    everything = [str(n) for n in names]
    lines = "".join(f"\n  {n}" for n in everything[:limit])
    rest = len(everything) - limit
    return lines + (f"\n  and {rest} more" if rest > 0 else "")


def natural_key(text: object) -> tuple[tuple[int, str], ...]:
    """Return a sort key that orders image2 before image10."""
    parts = _DIGITS.split(str(text))
    return tuple((int(p), "") if p.isdecimal() else (-1, p) for p in parts)
