"""Walk of MURA's folder tree."""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ulna.datasets.left_out import LeftOut
from ulna.datasets.listing import listed
from ulna.datasets.readable import FILM_ENDINGS, NO_FILM, look
from ulna.datasets.walk import CLOSED, HIDDEN, is_folder, is_hidden, is_litter
from ulna.errors import ConfigError, DatasetError
from ulna.types import BodyPart

SPLITS = ("train", "valid")
_STRANGE = "folders that do not belong to a MURA tree"
_STUDY = re.compile(r"(study[^_]*)(?:_(positive|negative))?")
_IMAGE_ENDINGS = (*FILM_ENDINGS, ".dcm")
# What `ulna phantom` writes beside the two sides.
_OWN = (*SPLITS, "masks")


@dataclass(frozen=True)
class StudyFolder:
    """One study's folder as found; `path` is relative, with '/', and `images` holds file names."""

    path: str
    split: str
    body_part: BodyPart
    patient: str
    study_id: str
    abnormal: bool | None
    images: tuple[str, ...]

    def with_images(self, images: tuple[str, ...]) -> StudyFolder:
        """The same folder with other images."""
        return self if images == self.images else dataclasses.replace(self, images=images)


def is_root(folder: Path) -> bool:
    """Whether `folder` holds train/ or valid/ with an XR_ folder in it."""
    return any(p.name.startswith("XR_") for split in SPLITS for p in _folders(folder / split))


def contains_root(folder: Path) -> bool:
    """Whether `folder` or a folder in it, hidden ones aside, is a MURA tree."""
    return is_root(folder) or any(is_root(p) for p in _folders(folder))


def find_root(folder: Path) -> Path:
    """`folder` itself or the one folder in it that is a MURA tree.

    Raises DatasetError where there is none, or more than one; warns with DatasetWarning of films
    and folders that lie beside the one.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder: expected the path of a MURA folder")
    if is_root(folder):
        return folder
    folders, files = _entries(folder, LeftOut())
    inner = sorted(p for p in folders if is_root(p))
    if len(inner) == 1:
        left = LeftOut(folder)
        for path in (*folders, *files):
            if path != inner[0] and (path in folders or _is_film(path)):
                left.add(f"beside {inner[0].name}, which alone is read", path)
        left.warn(folder)
        return inner[0]
    if inner:
        raise DatasetError(
            f"{folder}: contains {len(inner)} MURA folders: name one of them:{listed(inner)}"
        )
    raise DatasetError(
        f"{folder}: neither this folder nor one in it holds train/XR_* or valid/XR_*: "
        "expected an unpacked MURA-v1.0 or MURA-v1.1"
    )


def scan_tree(root: Path) -> list[StudyFolder]:
    """Every study folder with at least one image file.

    AppleDouble files (`._*`) and other litter of operating systems are skipped. Raises
    DatasetError for an `XR_` folder of no known region; one DatasetWarning with counts for all
    else that is left out: study folders without images, folders whose names do not fit the
    pattern, films outside of a study folder, hidden names, files that are no films.
    """
    found: list[StudyFolder] = []
    left = LeftOut(root)
    for path in _inside(root, left):
        if path.name not in _OWN:
            left.add(_STRANGE, path)
    for split in SPLITS:
        for region in _inside(root / split, left):
            if not region.name.startswith("XR_"):
                left.add(_STRANGE, region)
                continue
            part = _region(root, split, region.name)
            for patient in _inside(region, left):
                found += _scan_patient(root, patient, part, left)
    for folder in found:
        if not folder.images:
            left.add("study folders hold no images", root / folder.path)
    left.warn(root)
    return [f for f in found if f.images]


def _scan_patient(root: Path, patient: Path, part: BodyPart, left: LeftOut) -> list[StudyFolder]:
    found = []
    split = patient.relative_to(root).parts[0]
    for study in _inside(patient, left):
        match = _STUDY.fullmatch(study.name)
        if match is None:
            left.add(_STRANGE, study)
            continue
        label = None if match[2] is None else match[2] == "positive"
        path, images = study.relative_to(root).as_posix(), _images(study, left)
        found.append(StudyFolder(path, split, part, patient.name, match[1], label, images))
    return found


def _images(study: Path, left: LeftOut) -> tuple[str, ...]:
    """The names of the films in a study's folder: by their ending, else by their first bytes."""
    folders, files = _entries(study, left)
    for path in folders:
        left.add(_STRANGE, path)
    named = []
    for path in files:
        if _is_film(path):
            named.append(path)
        else:
            left.add(NO_FILM, path)
    if not any(f.is_symlink() for f in named):
        return tuple(f.name for f in named)
    first: dict[str, Path] = {}
    for path in sorted(named, key=lambda f: f.is_symlink()):
        kept = first.setdefault(os.path.realpath(path), path)
        if kept is not path:
            left.add("links to another film of the study", path)
    return tuple(f.name for f in first.values())


def _is_film(path: Path) -> bool:
    return path.name.lower().endswith(_IMAGE_ENDINGS) or bool(look(str(path))[0])


def _inside(place: Path, left: LeftOut) -> list[Path]:
    """The folders in `place`; films between them belong to no study."""
    folders, files = _entries(place, left)
    for path in files:
        if _is_film(path):
            left.add("films outside of a study folder", path)
    return folders


def _region(root: Path, split: str, name: str) -> BodyPart:
    try:
        return BodyPart.parse(name)
    except ConfigError:
        known = ", ".join(f"XR_{p.value}" for p in BodyPart)
        raise DatasetError(
            f"{root / split / name}: unknown region: expected one of {known}; "
            "rename or remove the folder"
        ) from None


def _folders(place: Path) -> list[Path]:
    return _entries(place, LeftOut())[0]


def _entries(place: Path, left: LeftOut) -> tuple[list[Path], list[Path]]:
    """The folders and the files in `place`, hidden ones aside; none where it is no folder."""
    folders: list[Path] = []
    files: list[Path] = []
    if not os.path.isdir(place):
        return folders, files
    try:
        with os.scandir(place) as entries:
            found = [(e.name, is_folder(e)) for e in entries if not is_litter(e.name)]
    except OSError:
        left.add(CLOSED, place)
        return folders, files
    for name, folder in found:
        if is_hidden(name, folder):
            left.add(HIDDEN, place / name)
        else:
            (folders if folder else files).append(place / name)
    return folders, files
