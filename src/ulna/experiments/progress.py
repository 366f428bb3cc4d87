"""The type of the callback that reports progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called often with (stage, done, total); `stage` names the current work."""


def silent(_stage: str, _done: int, _total: int) -> None:
    """Ignore the progress; the default where no `progress` is given."""
