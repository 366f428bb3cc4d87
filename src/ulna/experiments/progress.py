"""How a step tells how far it has come: a plain function that the caller gives."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, all), often; `stage` names what is under way."""


def silent(_stage: str, _done: int, _all: int) -> None:
    """Take progress and tell nobody: what a step uses where no `progress` is given."""
