"""Studies that are named by where their images lie: a folder of pictures, a single file."""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ulna.datasets.left_out import LeftOut
from ulna.datasets.listing import listed
from ulna.digest import file_sha256
from ulna.errors import DatasetWarning
from ulna.types import BodyPart, ImageRef, Study

_HEAD = 4096


@dataclass(frozen=True)
class Place:
    """A folder or file and the images that are one study there."""

    path: Path
    images: tuple[ImageRef, ...]
    body_part: BodyPart | None = None
    remarks: tuple[str, ...] = ()


def once(place: Place, left: LeftOut) -> Place:
    """Each image of a place once: links to one file and byte-identical copies are one view."""
    first: dict[Hashable, ImageRef] = {}
    for ref, bytes_of in zip(place.images, _contents([r.path for r in place.images]), strict=True):
        kept = first.setdefault(bytes_of, ref)
        if kept is not ref:
            left.add("copies of or links to another image", ref.path, left.name(kept.path))
    return replace(place, images=tuple(first.values()))


def _contents(paths: Sequence[Path]) -> list[Hashable]:
    """Something equal for files of equal bytes; few are read whole, since few are alike."""
    sizes = [_size(p) for p in paths]
    heads = _refined(paths, sizes, lambda path: _head(path, _HEAD))
    return _refined(paths, heads, _digest)


def _refined(
    paths: Sequence[Path], keys: Sequence[Hashable], look: Callable[[Path], Hashable]
) -> list[Hashable]:
    """`keys`, with what `look` finds in the file beside those that several files share."""
    count = Counter(keys)
    return [(k, look(p)) if count[k] > 1 else k for p, k in zip(paths, keys, strict=True)]


def _size(path: Path) -> Hashable:
    try:
        size = path.stat().st_size
    except OSError:
        return str(path)  # of a link to nothing each is its own: its reading says what is wrong
    return size or str(path)


def _head(path: Path, length: int) -> Hashable:
    try:
        with path.open("rb") as handle:
            return handle.read(length)
    except OSError:
        return str(path)


def _digest(path: Path) -> Hashable:
    try:
        return file_sha256(path)
    except OSError:
        return str(path)


_Images = TypeVar("_Images", Study, Place, Study | Place)


def without_doubles(studies: Sequence[_Images], left: LeftOut) -> list[_Images]:
    """The first of studies that have the same images, by any path or link; others to `left`.

    An image given by its name and a folder that holds it alone are two: each was asked for.
    """
    seen: dict[Hashable, Path] = {}
    kept = []
    for study in studies:
        folder = isinstance(study, Place) and os.path.isdir(study.path)
        images = (folder, frozenset(os.path.realpath(ref.path) for ref in study.images))
        if images in seen:
            left.add("given twice", study.images[0].path, left.name(seen[images]))
        else:
            seen[images] = study.images[0].path
            kept.append(study)
    return kept


def studies_of(places: Sequence[Place]) -> list[Study]:
    """A study for each place: its folder's name for the patient, its own for the study.

    Of two that would be called alike the whole file name, then more folders are taken, so that
    the keys of all are unique.
    """
    names = _names([p.path for p in places])
    return [
        Study(patient, study, p.body_part, p.images, remarks=p.remarks)
        for p, (patient, study) in zip(places, names, strict=True)
    ]


def _names(paths: Sequence[Path]) -> list[tuple[str, str]]:
    folder = [os.path.isdir(p) for p in paths]
    whole = [Path(os.path.abspath(p)) for p in paths]
    level = [0] * len(paths)
    while True:
        names = [_named(p, w, f, k) for p, w, f, k in zip(paths, whole, folder, level, strict=True)]
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for i, name in enumerate(names):
            groups[name].append(i)
        alike = [i for group in groups.values() if len(group) > 1 for i in group]
        alike = [i for i in alike if level[i] < len(whole[i].parts)]
        if not alike:
            return names
        for i in alike:
            level[i] += 1


def _named(path: Path, whole: Path, folder: bool, level: int) -> tuple[str, str]:
    """Patient and study; level 0: name without its ending, 1: with it, then so many folders."""
    study = (path.name or whole.name) if folder or level else path.stem
    patient = path.parent.name or "."
    return ("/".join(whole.parent.parts[-level:]) if level > 1 else patient), study


def unique_keys(studies: Iterable[Study]) -> list[Study]:
    """`studies`, those with the key of an earlier one numbered (`study1#2`); DatasetWarning."""
    taken: set[str] = set()
    kept: list[Study] = []
    reported: list[str] = []
    for study in studies:
        number = 2
        named = study
        while named.key in taken:
            named = replace(study, study_id=f"{study.study_id}#{number}")
            number += 1
        if named is not study:
            reported.append(f"{named.key}: {study.images[0].path}")
        taken.add(named.key)
        kept.append(named)
    if reported:
        warnings.warn(
            f"{len(reported)} studies have the patient and study of another one that is given: "
            "they "
            f"are numbered:{listed(reported)}",
            DatasetWarning,
            stacklevel=3,
        )
    return kept
