"""Resolve the file names of a table that was written on another operating system."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePosixPath


class FileFinder:
    """Resolves the file names of a table in `folder`, and caches the folders that it lists."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings: dict[Path, dict[str, str]] = {}

    def __call__(self, text: str) -> Path:
        r"""Return the path of the file that `text` names, relative to the folder or absolute.

        A path that does not exist as written is tried with `\` as `/` and in the Unicode normal
        form (UAX 15) on the disk: macOS decomposes accents, other systems mostly compose them.
        Where no such file exists either, the path is returned as written.
        """
        direct = self._folder / text
        if os.path.lexists(direct):
            return direct
        tried = (self._walk(name) for name in (text, text.replace("\\", "/")))
        return next((place for place in tried if place is not None), direct)

    def _walk(self, name: str) -> Path | None:
        place = self._folder
        for part in PurePosixPath(name).parts:
            after = place / part
            if not os.path.lexists(after):
                known = self._listing(place).get(unicodedata.normalize("NFC", part))
                if known is None:
                    return None
                after = place / known
            place = after
        return place

    def _listing(self, place: Path) -> dict[str, str]:
        """Return the names in `place` by their composed form."""
        if place not in self._listings:
            try:
                names = sorted(os.listdir(place))
            except OSError:
                names = []
            self._listings[place] = {unicodedata.normalize("NFC", n): n for n in names}
        return self._listings[place]
