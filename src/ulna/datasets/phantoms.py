"""Index a phantom folder, a MURA-shaped tree with `truth.csv` and masks."""

from __future__ import annotations

import csv
import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from ulna.datasets.listing import listed
from ulna.datasets.mura import index_mura
from ulna.errors import DatasetError
from ulna.types import Finding, FindingCategory, ImageRef, Laterality, Study, Subtlety

TRUTH = "truth.csv"
_COLUMNS = ("path", "view", "laterality", "category", "subtlety", "cnr", "mask")
_BOX = ("box_x", "box_y", "box_w", "box_h")


def index_phantoms(root: Path | str) -> list[Study]:
    """Return the studies of a folder written by `ulna phantom`, with the facts in `truth.csv`.

    In addition to `index_mura`, each image has its view, laterality, mask and findings (box,
    category, subtlety, contrast-to-noise ratio); `categories` is empty for a normal study.
    Raises DatasetError for a truth.csv that is missing, damaged or does not list every image.
    """
    base = Path(root)
    truth = _read(base / TRUTH)
    studies = index_mura(base)
    paths = {i.path.relative_to(base).as_posix() for s in studies for i in s.images}
    if paths != truth.keys():
        odd = sorted(paths ^ truth.keys())
        raise DatasetError(
            f"{base / TRUTH}: {len(odd)} images are only in the folder or only in the table: "
            f"write the phantoms again:{listed(odd)}"
        )
    try:
        studies = [_with_truth(base, s, truth) for s in studies]
    except (ValueError, KeyError) as error:
        raise DatasetError(f"{base / TRUTH}: damaged: {error}: write it again") from None
    masks = [i.mask for s in studies for i in s.images if i.mask and not i.mask.is_file()]
    if masks:
        raise DatasetError(
            f"{base / TRUTH}: {len(masks)} masks are missing: write the phantoms again:"
            f"{listed(masks)}"
        )
    return studies


def _read(file: Path) -> dict[str, list[Mapping[str, str]]]:
    """Return rows by image path: one for a normal image, else one for each finding."""
    rows: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    try:
        with file.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            missing = [c for c in (*_COLUMNS, *_BOX) if c not in (reader.fieldnames or ())]
            if missing:
                raise DatasetError(f"{file}: columns {', '.join(missing)} are missing")
            for row in reader:
                _check_whole(row, file, reader.line_num)
                rows[row["path"]].append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file}: cannot be read: {error}") from None
    return dict(rows)


def _check_whole(row: Mapping[str | None, object], file: Path, line: int) -> None:
    if None in row or None in row.values():
        raise DatasetError(
            f"{file}: line {line}: expected as many values as columns: write the phantoms again"
        )


def _with_truth(
    base: Path, study: Study, truth: Mapping[str, Sequence[Mapping[str, str]]]
) -> Study:
    rows = {i.path: truth[i.path.relative_to(base).as_posix()] for i in study.images}
    named = {r["category"] for own in rows.values() for r in own if r["category"]}
    return dataclasses.replace(
        study,
        images=tuple(_image(base, path, own) for path, own in rows.items()),
        categories=frozenset(FindingCategory(n) for n in named),
        simulated=True,
    )


def _image(base: Path, path: Path, rows: Sequence[Mapping[str, str]]) -> ImageRef:
    head = rows[0]
    return ImageRef(
        path=path,
        view=head["view"],
        laterality=Laterality(head["laterality"]),
        findings=tuple(f for r in rows if (f := _finding(r)) is not None),
        mask=base / head["mask"] if head["mask"] else None,
    )


def _finding(row: Mapping[str, str]) -> Finding | None:
    """Return the finding as this view shows it, None without one or where it is not visible."""
    x, y, width, height = (float(row[c] or 0) for c in _BOX)
    if not row["category"] or width <= 0 or height <= 0:
        return None
    return Finding(
        box=(x, y, width, height),
        category=FindingCategory(row["category"]),
        subtlety=Subtlety(row["subtlety"]) if row["subtlety"] else None,
        cnr=float(row["cnr"]) if row["cnr"] else None,
    )
