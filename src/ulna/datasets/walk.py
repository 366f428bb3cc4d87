"""The files below a folder: linked folders too, hidden ones not, each folder once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ulna.datasets.left_out import LeftOut
from ulna.datasets.listing import natural_key

# What file systems and their indexers leave behind; none of it is ever an image.
_LITTER = frozenset({".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini", "__MACOSX"})
_SYSTEM = frozenset({"$RECYCLE.BIN", "RECYCLER", "System Volume Information", "lost+found"})

HIDDEN = "hidden"
SEEN = "linked folders that are read already, or that lead back"
CLOSED = "folders that cannot be opened"


def is_litter(name: str) -> bool:
    """Whether a file or folder is the operating system's own; such names are not worth a note."""
    return name.startswith("._") or name in _LITTER


def is_hidden(name: str, folder: bool) -> bool:
    """Whether a name says that what it names is not for the user: .Trash, @eaDir, #recycle."""
    return name.startswith((".", "@", "#") if folder else ".") or name in _SYSTEM


def walk_files(root: Path, left: LeftOut) -> list[Path]:
    """The files in `root` and in every folder below it, image2 before image10.

    Links to folders are followed, but no folder is walked twice: one that leads back, or to a
    folder that stands in the tree itself, is told in `left`, as are hidden files and folders and
    those that cannot be opened. Litter of operating systems is left out without a word.
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
    """Where a walk has been. links: folders behind links, which come after all true ones."""

    left: LeftOut
    files: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def enter(self, top: Path) -> None:
        """Take the files of `top` and of the true folders below it."""
        todo = [top]
        while todo:
            place = todo.pop()
            real = os.path.realpath(place)
            if real in self.seen:
                continue
            self.seen.add(real)
            todo += self._look_into(place)

    def _look_into(self, place: Path) -> list[Path]:
        """The true folders in `place`; its files and linked folders are put down."""
        try:
            with os.scandir(place) as entries:
                result = [(e.name, is_folder(e), e.is_symlink()) for e in entries]
        except OSError:
            self.left.add(CLOSED, place)
            return []
        folders = []
        for name, folder, link in sorted(result):
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
    """Whether an entry is a folder or a link to one; not a link that leads to itself."""
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False
