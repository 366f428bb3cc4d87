"""Scan MURA's folder tree."""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ulna.datasets.left_out import LeftOut
from ulna.datasets.listing import listed
from ulna.datasets.readable import IMAGE_ENDINGS, NO_IMAGE, OTHER_PICTURE, image_kind
from ulna.datasets.walk import CLOSED, HIDDEN, is_folder, is_hidden, is_litter
from ulna.errors import ConfigError, DatasetError
from ulna.types import BodyPart

SPLITS = ("train", "valid")
_STRANGE = "folders that do not belong to a MURA tree"
_STUDY = re.compile(r"(study[^_]*)(?:_(positive|negative))?")
_IMAGE_ENDINGS = (*IMAGE_ENDINGS, ".dcm")
# What `ulna phantom` writes beside the two sides.
_EXPECTED = (*SPLITS, "masks")


@dataclass(frozen=True)
class StudyFolder:
    """One study's folder; `path` is relative to the root, with '/', `images` are file names."""

    path: str
    split: str
    body_part: BodyPart
    patient: str
    study_id: str
    abnormal: bool | None
    images: tuple[str, ...]

    def with_images(self, images: tuple[str, ...]) -> StudyFolder:
        """Return the same folder with other images."""
        return self if images == self.images else dataclasses.replace(self, images=images)


def _is_root(folder: Path) -> bool:
    """Whether `folder` contains train/ or valid/ with an XR_ folder in it."""
    return any(p.name.startswith("XR_") for split in SPLITS for p in _folders(folder / split))


def contains_root(folder: Path) -> bool:
    """Whether `folder` or a folder in it, hidden ones aside, is a MURA tree."""
    return _is_root(folder) or any(_is_root(p) for p in _folders(folder))


def find_root(folder: Path) -> Path:
    """Return `folder` itself or the one folder in it that is a MURA tree.

    Raises DatasetError where there is none or more than one. Warns with DatasetWarning of images
    and folders beside that one, which are not read.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder: expected the path of a MURA folder")
    if _is_root(folder):
        return folder
    folders, files = _entries(folder, LeftOut())
    inner = sorted(p for p in folders if _is_root(p))
    if len(inner) == 1:
        left = LeftOut(folder)
        images = [folder / name for name in files if _is_image(folder, name)]
        for path in (*folders, *images):
            if path != inner[0]:
                left.add(f"beside {inner[0].name}, the only folder that is read", path)
        left.warn(folder)
        return inner[0]
    if inner:
        raise DatasetError(
            f"{folder}: contains {len(inner)} MURA folders: name one of them:{listed(inner)}"
        )
    raise DatasetError(
        f"{folder}: neither this folder nor one in it contains train/XR_* or valid/XR_*: "
        "expected an unpacked MURA-v1.0 or MURA-v1.1"
    )


def scan_tree(root: Path) -> list[StudyFolder]:
    """Return every study folder with at least one image file.

    AppleDouble files (`._*`) and other files of operating systems are skipped. One DatasetWarning
    counts all else that is left out: study folders without images, folders whose names do not fit
    the pattern, images outside a study folder, hidden files and folders, and files that are not
    images. Raises DatasetError for an `XR_` folder of an unknown region.
    """
    studies: list[StudyFolder] = []
    left = LeftOut(root)
    for path in _inside(root, left):
        if path.name not in _EXPECTED:
            left.add(_STRANGE, path)
    for split in SPLITS:
        for region in _inside(root / split, left):
            if not region.name.startswith("XR_"):
                left.add(_STRANGE, region)
                continue
            part = _region(root, split, region.name)
            for patient in _inside(region, left):
                studies += _scan_patient(root, patient, part, left)
    for folder in studies:
        if not folder.images:
            left.add("study folders without images", root / folder.path)
    left.warn(root)
    return [f for f in studies if f.images]


def _scan_patient(root: Path, patient: Path, part: BodyPart, left: LeftOut) -> list[StudyFolder]:
    studies = []
    place = patient.relative_to(root).as_posix()
    split = place.split("/", 1)[0]
    for study in _inside(patient, left):
        match = _STUDY.fullmatch(study.name)
        if match is None:
            left.add(_STRANGE, study)
            continue
        label = None if match[2] is None else match[2] == "positive"
        path, images = f"{place}/{study.name}", _images(study, left)
        studies.append(StudyFolder(path, split, part, patient.name, match[1], label, images))
    return studies


def _images(study: Path, left: LeftOut) -> tuple[str, ...]:
    """Return the names of the images in a folder, detected by their ending or first bytes."""
    folders, files = _entries(study, left)
    for path in folders:
        left.add(_STRANGE, path)
    named = []
    for name in files:
        if _is_image(study, name):
            named.append(name)
        else:
            other = image_kind(os.path.join(study, name))[1] == OTHER_PICTURE
            left.add(OTHER_PICTURE if other else NO_IMAGE, study / name)
    if not any(files[name] for name in named):
        return tuple(named)
    first: dict[str, str] = {}
    for name in sorted(named, key=lambda n: files[n]):
        kept = first.setdefault(os.path.realpath(study / name), name)
        if kept is not name:
            left.add("links to another image of the study", study / name)
    return tuple(first.values())


def _is_image(place: Path, name: str) -> bool:
    return name.lower().endswith(_IMAGE_ENDINGS) or bool(image_kind(str(place / name))[0])


def _inside(place: Path, left: LeftOut) -> list[Path]:
    """Return the folders in `place`; images beside them belong to no study."""
    folders, files = _entries(place, left)
    for name in files:
        if _is_image(place, name):
            left.add("images outside of a study folder", place / name)
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


def _entries(place: Path, left: LeftOut) -> tuple[list[Path], dict[str, bool]]:
    """Return the visible folders in `place`, and whether each of its files, by name, is a link.

    Both are empty where `place` is not a folder.
    """
    try:
        with os.scandir(place) as entries:
            found = [(e.name, is_folder(e), e.is_symlink()) for e in entries]
    except (FileNotFoundError, NotADirectoryError):
        return [], {}
    except OSError:
        left.add(CLOSED, place)
        return [], {}
    folders: list[Path] = []
    files: dict[str, bool] = {}
    for name, folder, link in found:
        if is_litter(name):
            continue
        if is_hidden(name, folder):
            left.add(HIDDEN, place / name)
        elif folder:
            folders.append(place / name)
        else:
            files[name] = link
    return folders, files
