"""A record of the files that an index leaves out or uses with a remark, for one warning."""

from __future__ import annotations

import warnings
from pathlib import Path

from ulna.errors import DatasetWarning

_NAMES = 5
_REASONS = 12


class LeftOut:
    """Files and folders that are left out, or used with a remark, by reason.

    Every file that is skipped must be recorded here. Names are relative to the folder `root`, or
    whole paths where it is None.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._unused: dict[str, list[str]] = {}
        self._remarked: dict[str, list[str]] = {}

    def add(self, reason: str, path: Path | str, message: str = "") -> None:
        """Record that `path` is not used.

        reason is counted, so it is the same text for like cases; message is for this path alone.
        """
        self._unused.setdefault(reason, []).append(self._message(path, message))

    def remark(self, reason: str, path: Path | str, message: str = "") -> None:
        """Record that `path` is used, with a remark; otherwise like `add`."""
        self._remarked.setdefault(reason, []).append(self._message(path, message))

    def name(self, path: Path | str) -> str:
        """Return the name of `path` in messages, relative to the root; a string is unchanged."""
        if isinstance(path, str) or self._root is None or not path.is_relative_to(self._root):
            return str(path)
        return path.relative_to(self._root).as_posix()

    def _message(self, path: Path | str, message: str) -> str:
        return self.name(path) + (f" ({message})" if message else "")

    def __str__(self) -> str:
        """One line for each reason, the most frequent first, with count and first names."""
        parts = []
        for word, named in (("left out", self._unused), ("used with a remark", self._remarked)):
            if count := sum(map(len, named.values())):
                parts.append(f"{count} {word}:{_lines(named)}")
        return "\n".join(parts)

    def warn(self, source: object) -> None:
        """Issue one DatasetWarning with all that is recorded of `source`, if anything is."""
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
