"""Walk of MURA's folder tree."""

from __future__ import annotations

import dataclasses
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

from ulna.datasets.listing import listed
from ulna.errors import ConfigError, DatasetError, DatasetWarning
from ulna.types import BodyPart

SPLITS = ("train", "valid")
_STUDY = re.compile(r"(study[^_]*)(?:_(positive|negative))?")
_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm")


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
    return any(name.startswith("XR_") for split in SPLITS for name, _ in _folders(folder / split))


def contains_root(folder: Path) -> bool:
    """Whether `folder` or a folder in it, hidden ones aside, is a MURA tree."""
    return is_root(folder) or any(is_root(Path(path)) for _, path in _folders(folder))


def find_root(folder: Path) -> Path:
    """`folder` itself or the one folder in it that is a MURA tree.

    Raises DatasetError where there is none, or more than one.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder: expected the path of a MURA folder")
    if is_root(folder):
        return folder
    inner = sorted(p for _, path in _folders(folder) if is_root(p := Path(path)))
    if len(inner) == 1:
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

    AppleDouble files (`._*`) and other hidden names are skipped. Raises DatasetError for an
    `XR_` folder of no known region; warns with DatasetWarning of study folders without images
    and of folders whose names do not fit the pattern.
    """
    found: list[StudyFolder] = []
    odd: list[str] = []
    for split in SPLITS:
        for name, region in _folders(root / split):
            if not name.startswith("XR_"):
                odd.append(f"{split}/{name}")
                continue
            part = _region(root, split, name)
            for patient, place in _folders(region):
                _scan_patient(f"{split}/{name}/{patient}", place, part, found, odd)
    empty = [f.path for f in found if not f.images]
    if odd:
        message = f"{root}: {len(odd)} folders do not belong to a MURA tree and are skipped"
        warnings.warn(f"{message}:{listed(odd)}", DatasetWarning, 3)
    if empty:
        message = f"{root}: {len(empty)} study folders hold no images and are skipped"
        warnings.warn(f"{message}:{listed(empty)}", DatasetWarning, 3)
    return [f for f in found if f.images]


def _scan_patient(
    path: str, place: str, part: BodyPart, found: list[StudyFolder], odd: list[str]
) -> None:
    split, _, patient = path.split("/")
    for name, study in _folders(place):
        match = _STUDY.fullmatch(name)
        if match is None:
            odd.append(f"{path}/{name}")
            continue
        label = None if match[2] is None else match[2] == "positive"
        images = tuple(
            file
            for file in os.listdir(study)
            if not file.startswith(".") and file.lower().endswith(_IMAGE_ENDINGS)
        )
        found.append(StudyFolder(f"{path}/{name}", split, part, patient, match[1], label, images))


def _region(root: Path, split: str, name: str) -> BodyPart:
    try:
        return BodyPart.parse(name)
    except ConfigError:
        known = ", ".join(f"XR_{p.value}" for p in BodyPart)
        raise DatasetError(
            f"{root / split / name}: unknown region: expected one of {known}; "
            "rename or remove the folder"
        ) from None


def _folders(place: Path | str) -> list[tuple[str, str]]:
    """(name, path) of the folders in `place`, hidden ones and archive leftovers aside."""
    if not os.path.isdir(place):
        return []
    with os.scandir(place) as entries:
        return [
            (entry.name, entry.path)
            for entry in entries
            if not entry.name.startswith((".", "__MACOSX")) and entry.is_dir()
        ]
