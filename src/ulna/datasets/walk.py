"""List the files below a folder, following links but not hidden folders, each folder once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ulna.datasets.left_out import LeftOut
from ulna.datasets.listing import natural_key

# Files of operating systems and their indexers, which are never images.
_LITTER = frozenset({".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini", "__MACOSX"})
_SYSTEM = frozenset({"$RECYCLE.BIN", "RECYCLER", "System Volume Information", "lost+found"})

HIDDEN = "hidden"
SEEN = "linked folders that are read already, or that lead back"
CLOSED = "folders that cannot be opened"


def is_litter(name: str) -> bool:
    """Whether a file or folder belongs to the operating system; such names are not reported."""
    return name.startswith("._") or name in _LITTER


def is_hidden(name: str, folder: bool) -> bool:
    """Whether a name is that of a hidden file or folder, such as .Trash, @eaDir or #recycle."""
    return name.startswith((".", "@", "#") if folder else ".") or name in _SYSTEM


def walk_files(root: Path, left: LeftOut) -> list[Path]:
    """Return the files in `root` and in every folder below it, image2 before image10.

    Links to folders are followed, but no folder is walked twice. Links that lead back or to a
    folder in the same tree are recorded in `left`, as are hidden files and folders and those that
    cannot be opened. Files of operating systems are left out silently.
    """
    walk = _Walk(left)
    walk.enter(root)
    while walk.links:
        place = walk.links.pop(0)
        real = os.path.realpath(place)
        back = os.path.realpath(root)
        if real in walk.seen or back == real or back.startswith(real.rstrip(os.sep) + os.sep):
            left.add(SEEN, place)
        else:
            walk.enter(place)
    return sorted(walk.files, key=lambda p: natural_key(p.relative_to(root).as_posix()))


@dataclass
class _Walk:
    """The state of a walk; `links` are linked folders, which are entered after all others."""

    left: LeftOut
    files: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def enter(self, top: Path) -> None:
        """Collect the files of `top` and of the folders below it that are not links."""
        todo = [top]
        while todo:
            place = todo.pop()
            real = os.path.realpath(place)
            if real in self.seen:
                continue
            self.seen.add(real)
            todo += self._look_into(place)

    def _look_into(self, place: Path) -> list[Path]:
        """Return the folders in `place` that are not links; record its files and linked folders."""
        try:
            with os.scandir(place) as entries:
                found = [(e.name, is_folder(e), e.is_symlink()) for e in entries]
        except OSError:
            self.left.add(CLOSED, place)
            return []
        folders = []
        for name, folder, link in sorted(found):
            if is_litter(name):
                continue
            if is_hidden(name, folder):
                self.left.add(HIDDEN, place / name)
            elif not folder:
                self.files.append(place / name)
            elif link:
                self.links.append(place / name)
            else:
                folders.append(place / name)
        return folders


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; False for a link to itself."""
    try:
        return entry.is_dir()
    except OSError:  # a circular link
        return False
