"""Studies that are named by the location of their images: a folder of pictures, a single file."""

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
class ImageGroup:
    """A folder or file, and its images, which form one study."""

    path: Path
    images: tuple[ImageRef, ...]
    body_part: BodyPart | None = None
    remarks: tuple[str, ...] = ()


def without_copies(group: ImageGroup, left: LeftOut) -> ImageGroup:
    """Return the group with each image once; links to one file and identical files are one view."""
    first: dict[Hashable, ImageRef] = {}
    for ref, content in zip(group.images, _contents([r.path for r in group.images]), strict=True):
        kept = first.setdefault(content, ref)
        if kept is not ref:
            left.add("copies of or links to another image", ref.path, left.name(kept.path))
    return replace(group, images=tuple(first.values()))


def _contents(paths: Sequence[Path]) -> list[Hashable]:
    """Return keys that are equal for identical files; only files that may be equal are read."""
    sizes = [_key(p, lambda path: path.stat().st_size or str(path)) for p in paths]
    return _refined(paths, _refined(paths, sizes, _head), file_sha256)


def _refined(
    paths: Sequence[Path], keys: Sequence[Hashable], refine: Callable[[Path], Hashable]
) -> list[Hashable]:
    """Return `keys`, where those that several files share are extended by `refine(path)`."""
    count = Counter(keys)
    return [(k, _key(p, refine)) if count[k] > 1 else k for p, k in zip(paths, keys, strict=True)]


def _key(path: Path, read: Callable[[Path], Hashable]) -> Hashable:
    try:
        return read(path)
    except OSError:
        return str(path)  # a broken link equals no other file and is reported when it is read


def _head(path: Path) -> Hashable:
    with path.open("rb") as handle:
        return handle.read(_HEAD)


_StudyOrGroup = TypeVar("_StudyOrGroup", Study, ImageGroup, Study | ImageGroup)


def drop_repeated(studies: Sequence[_StudyOrGroup], left: LeftOut) -> list[_StudyOrGroup]:
    """Keep the first of studies with the same files (links resolved); record others in `left`.

    A file and the folder that contains only that file are both kept, since both were requested.
    """
    seen: dict[Hashable, Path] = {}
    kept = []
    for study in studies:
        folder = isinstance(study, ImageGroup) and os.path.isdir(study.path)
        images = (folder, frozenset(os.path.realpath(ref.path) for ref in study.images))
        if images in seen:
            left.add("given twice", study.images[0].path, left.name(seen[images]))
        else:
            seen[images] = study.images[0].path
            kept.append(study)
    return kept


def studies_of(groups: Sequence[ImageGroup]) -> list[Study]:
    """Return a study for each group, with the parent folder as patient and the name as study.

    Where two would have the same name, the file's ending and then more parent folders are added
    until all keys are unique.
    """
    names = _names([g.path for g in groups])
    return [
        Study(patient, study, g.body_part, g.images, remarks=g.remarks)
        for g, (patient, study) in zip(groups, names, strict=True)
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
    """Return patient and study. Level 0: name without ending, 1: with it, then so many folders."""
    study = (path.name or whole.name) if folder or level else path.stem
    patient = path.parent.name or "."
    return ("/".join(whole.parent.parts[-level:]) if level > 1 else patient), study


def unique_keys(studies: Iterable[Study]) -> list[Study]:
    """Number studies that have the key of an earlier one (`study1#2`), with a DatasetWarning."""
    taken: set[str] = set()
    kept: list[Study] = []
    renamed: list[str] = []
    for study in studies:
        number = 2
        named = study
        while named.key in taken:
            named = replace(study, study_id=f"{study.study_id}#{number}")
            number += 1
        if named is not study:
            renamed.append(f"{named.key}: {study.images[0].path}")
        taken.add(named.key)
        kept.append(named)
    if renamed:
        warnings.warn(
            f"{len(renamed)} studies have the same patient and study as another one: they are "
            f"numbered:{listed(renamed)}",
            DatasetWarning,
            stacklevel=3,
        )
    return kept
