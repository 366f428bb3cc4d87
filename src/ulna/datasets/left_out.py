"""What an index leaves out or takes with a reservation: told once, with counts and first names."""

from __future__ import annotations

import warnings
from pathlib import Path

from ulna.errors import DatasetWarning

_NAMES = 5
_REASONS = 12


class LeftOut:
    """Files and folders that are not used, or used with a remark, by reason.

    Nothing may be skipped that is missing here. root: the folder that names are relative to; None
    names them by their whole path.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._unused: dict[str, list[str]] = {}
        self._remarked: dict[str, list[str]] = {}

    def add(self, reason: str, path: Path | str, message: str = "") -> None:
        """`path` is not used, and why; reasons are few, so that they can be counted.

        said: what there is to say of this one alone.
        """
        self._unused.setdefault(reason, []).append(self._message(path, message))

    def remark(self, reason: str, path: Path | str, message: str = "") -> None:
        """`path` is used, and what must be known of it; otherwise as `add`."""
        self._remarked.setdefault(reason, []).append(self._message(path, message))

    def name(self, path: Path | str) -> str:
        """What `path` is called in messages; a name that is none stays as it is."""
        if isinstance(path, str) or self._root is None or not path.is_relative_to(self._root):
            return str(path)
        return path.relative_to(self._root).as_posix()

    def _message(self, path: Path | str, message: str) -> str:
        return self.name(path) + (f" ({message})" if message else "")

    def __str__(self) -> str:
        """A line for each reason, the most frequent first: count, reason, first names."""
        parts = []
        for word, named in (("left out", self._unused), ("used with a remark", self._remarked)):
            if count := sum(map(len, named.values())):
                parts.append(f"{count} {word}:{_lines(named)}")
        return "\n".join(parts)

    def warn(self, source: object) -> None:
        """One DatasetWarning for all that there is to say of `source`, if anything."""
        if text := str(self):
            warnings.warn(f"{source}: {text}", DatasetWarning, stacklevel=3)


def _lines(named: dict[str, list[str]]) -> str:
    reasons = sorted(named.items(), key=lambda item: -len(item[1]))
    lines = [f"\n  {len(names)} {reason}: {_first(names)}" for reason, names in reasons]
    rest = sum(len(names) for _, names in reasons[_REASONS:])
    return "".join(lines[:_REASONS]) + (f"\n  {rest} for other reasons" if rest else "")


def _first(names: list[str]) -> str:
    rest = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {rest} more" if rest > 0 else "")
