"""Files that a table names as another system writes names."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePosixPath


class FileFinder:
    """Finds what a table in `folder` names; remembers the folders that it has listed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings: dict[Path, dict[str, str]] = {}

    def __call__(self, text: str) -> Path:
        r"""The path of the file that `text` names, relative to the folder or absolute.

        As it is written where that is there; else with `\` as `/`, and whichever Unicode normal
        form (UAX 15) the disk has: macOS decomposes accents, other systems mostly compose them.
        Where nothing is there either, `text` as it stands.
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
        """The names in `place` by their composed form."""
        if place not in self._listings:
            try:
                names = sorted(os.listdir(place))
            except OSError:
                names = []
            self._listings[place] = {unicodedata.normalize("NFC", n): n for n in names}
        return self._listings[place]
