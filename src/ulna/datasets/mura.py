"""Index MURA v1.0 and v1.1: the folder tree, the four CSVs, and their agreement.

Source: Rajpurkar et al., "MURA: Large Dataset for Abnormality Detection in Musculoskeletal
Radiographs", MIDL 2018, arXiv 1712.06957. The data are not redistributed; the user brings
the folder.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ulna.config.meaning import ANY
from ulna.datasets.listing import listed, natural_key
from ulna.datasets.mura_counts import warn_of_counts
from ulna.datasets.mura_csv import MuraLists, read_lists
from ulna.datasets.mura_tree import StudyFolder, find_root, scan_tree
from ulna.datasets.readable import unreadable
from ulna.errors import DatasetError, DatasetWarning, SplitError
from ulna.types import ImageRef, Study


def index_mura(root: Path | str, *, check_images: bool = True) -> list[Study]:
    """Return every study under `root`, the MURA folder or the folder that contains it.

    Labels come from `{train,valid}_labeled_studies.csv` (v1.0: `{train,valid}.csv`) where
    present, else from the folder names. `split` is 'train' or 'valid', `study_id` the folder's
    name without its label. `check_images` reads the first bytes of every file and leaves out those
    that are not an image. Studies are ordered by split, body part, patient and study.

    Raises DatasetError for a folder that is not a MURA tree, an unknown `XR_` folder, a label in
    a folder's name that contradicts the CSV and one study under both labels; SplitError for a
    patient in train and valid. Warns with DatasetWarning of images left out, of files that
    the CSVs list and the disk lacks (and the reverse), and of counts that differ from the
    official ones when the folder is the full set.
    """
    base = find_root(Path(root))
    folders = sorted(scan_tree(base), key=_order)
    if not folders:
        raise DatasetError(
            f"{base}: no studies: expected "
            "{train,valid}/XR_<REGION>/patientNNNNN/studyK_{positive,negative}/imageJ.png"
        )
    lists = read_lists(base)
    _check_patients(folders)
    _check_labels(folders, lists)
    _warn_of_missing(base, folders, lists)
    if check_images:
        folders = _without_unreadable(base, folders)
    if not folders:
        raise DatasetError(f"{base}: no image can be read: copy or unpack the folder again")
    studies = [_study(base, f, lists) for f in folders]
    warn_of_counts(base, studies)
    if unknown := [s.key for s in studies if s.abnormal is None]:
        message = f"{base}: {len(unknown)} studies have no label in a CSV or in their name"
        warnings.warn(f"{message}:{listed(unknown)}", DatasetWarning, 2)
    return studies


def _order(folder: StudyFolder) -> tuple[object, ...]:
    return folder.split, folder.body_part, natural_key(folder.patient), natural_key(folder.study_id)


def _study(base: Path, folder: StudyFolder, lists: MuraLists) -> Study:
    place = base / folder.path
    return Study(
        patient_id=folder.patient,
        study_id=folder.study_id,
        body_part=folder.body_part,
        images=tuple(ImageRef(place / n) for n in sorted(folder.images, key=natural_key)),
        abnormal=lists.labels.get(folder.path, folder.abnormal),
        split=folder.split,
        label_means=ANY,
    )


def _check_patients(folders: Iterable[StudyFolder]) -> None:
    sides: dict[str, set[str]] = defaultdict(set)
    for folder in folders:
        sides[folder.patient].add(folder.split)
    both = sorted(p for p, s in sides.items() if len(s) > 1)
    if both:
        raise SplitError(
            f"{len(both)} patients are in both train and valid: expected each on one side; "
            f"move or remove their folders:{listed(both)}"
        )


def _check_labels(folders: Iterable[StudyFolder], lists: MuraLists) -> None:
    wrong = []
    seen: dict[tuple[str, ...], str] = {}
    for folder in folders:
        label = lists.labels.get(folder.path)
        if label is not None and folder.abnormal is not None and label != folder.abnormal:
            wrong.append(f"{folder.path} (CSV says {int(label)})")
        key = (folder.body_part, folder.patient, folder.study_id)
        if key in seen:
            wrong.append(f"{folder.path} and {seen[key]}")
        seen[key] = folder.path
    if wrong:
        raise DatasetError(
            f"{len(wrong)} studies have contradictory labels: expected the folder name and the "
            f"CSV to agree; correct one of them:{listed(wrong)}"
        )


def _warn_of_missing(base: Path, folders: list[StudyFolder], lists: MuraLists) -> None:
    on_disk = {f.path for f in folders}
    images = {f"{f.path}/{n}" for f in folders for n in f.images}
    groups = {
        "studies that the CSVs list have no folder with images": lists.labels.keys() - on_disk,
        "images that the CSVs list are not there": lists.images - images,
    }
    for fault, extra, known in (
        ("studies are in no CSV (their folder's label is used)", on_disk, lists.labels.keys()),
        ("images are in no CSV (they are used)", images, lists.images),
    ):
        listed_sides = {path.split("/", 1)[0] for path in known}
        groups[fault] = {p for p in extra - known if p.split("/", 1)[0] in listed_sides}
    for fault, paths in groups.items():
        if paths:
            names = listed(sorted(paths, key=natural_key))
            warnings.warn(f"{base}: {len(paths)} {fault}:{names}", DatasetWarning, 3)


def _without_unreadable(base: Path, folders: list[StudyFolder]) -> list[StudyFolder]:
    bad = {
        (f.path, name): fault
        for f in folders
        for name, fault in unreadable(base / f.path, f.images)
    }
    if not bad:
        return folders
    kept = [f.with_images(tuple(n for n in f.images if (f.path, n) not in bad)) for f in folders]
    empty = [f.path for f in kept if not f.images]
    text = listed(f"{path}/{name}: {fault}" for (path, name), fault in bad.items())
    message = f"{base}: {len(bad)} unreadable images are left out:{text}"
    if empty:
        message += f"\n{len(empty)} studies have no image left and are dropped:{listed(empty)}"
    warnings.warn(message, DatasetWarning, 3)
    return [f for f in kept if f.images]
