"""Writes a phantom data set: MURA's tree and CSVs, masks, truth.csv, phantom.json."""

from __future__ import annotations

import csv
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from ulna.atomic_file import csv_bytes, write_atomic
from ulna.config.codec import to_json, write_json
from ulna.config.migrations import migrated
from ulna.config.phantom import PhantomConfig
from ulna.errors import MEMORY_ADVICE, ConfigError, DatasetError, UlnaError
from ulna.json_text import parse_json
from ulna.machine import usable_cores
from ulna.phantom.study import PhantomStudy, PhantomView, render_study

GENERATOR = 1
COLUMNS = (
    "path",
    "patient_id",
    "study_id",
    "body_part",
    "split",
    "abnormal",
    "view",
    "laterality",
    "spacing_mm",
    "category",
    "kind",
    "subtlety",
    "cnr",
    "box_x",
    "box_y",
    "box_w",
    "box_h",
    "mask",
)

Progress = Callable[[int, int], None]
Row = dict[str, str]


def write_phantoms(
    out: Path, config: PhantomConfig, workers: int = 0, progress: Progress | None = None
) -> Path:
    """Write the data set that `config` describes into the folder `out`, and return `out`.

    workers: number of processes, 0 for one on each usable core; the bytes do not depend on it.
    progress: called with the number of studies that are done and of all. truth.csv is written last,
    so that a folder without it is incomplete; one that an interrupted run of the same config left
    is written again. Raises DatasetError for a folder that holds anything else.

    Example: ``write_phantoms(Path("phantoms"), PhantomConfig(studies=600, seed=1))``.
    """
    _claim(out, config)
    rows: list[Row] = []
    count = workers or usable_cores()
    for done, study_rows in enumerate(_each(out, config, min(count, config.studies)), start=1):
        rows.extend(study_rows)
        if progress:
            progress(done, config.studies)
    for split in ("train", "valid"):
        _write_lists(out, split, [r for r in rows if r["split"] == split])
    write_atomic(out / "truth.csv", csv_bytes(COLUMNS, rows))
    return out


def _claim(out: Path, config: PhantomConfig) -> None:
    note = {"config": to_json(config), "generator": GENERATOR}
    ours = (out / "phantom.json").is_file()
    if out.exists() and not out.is_dir():
        raise DatasetError(f"{out}: a file: expected a folder to write phantoms into")
    if out.is_dir() and not ours and any(out.iterdir()):
        raise DatasetError(
            f"{out}: not empty and not a phantom set: nothing was written; give another folder"
        )
    if (out / "truth.csv").is_file():
        raise DatasetError(f"{out}: holds a whole phantom set: give another folder or delete it")
    if ours and _note_of(out) != note:
        raise DatasetError(
            f"{out}: holds a part of a phantom set with other settings: delete it or give "
            "another folder"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_json(note, out / "phantom.json")


def _note_of(out: Path) -> object:
    """Return the JSON of phantom.json with current names of settings, None if it is damaged."""
    try:
        note = parse_json((out / "phantom.json").read_text(encoding="utf-8"))
        return {**note, "config": dict(migrated("PhantomConfig", note["config"]))}
    except (ValueError, LookupError, TypeError, AttributeError, ConfigError):
        return None


def _each(out: Path, config: PhantomConfig, workers: int) -> Iterator[list[Row]]:
    """Write the files of every study and yield its rows of truth.csv, in order."""
    write = partial(_write_study, out, config)
    if workers == 1:
        yield from map(write, range(config.studies))
        return
    # A fork would copy locks of threads that other libraries have started.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, context) as pool:
            yield from pool.map(write, range(config.studies), chunksize=4)
    except BrokenProcessPool:
        raise UlnaError(
            f"{out}: a process that renders images was killed by the system, mostly for being out "
            f"of memory: {MEMORY_ADVICE}; the same command begins the set again"
        ) from None


def _write_study(out: Path, config: PhantomConfig, index: int) -> list[Row]:
    study = render_study(config, index)
    folder = study.plan.folder
    (out / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for number, view in enumerate(study.views, start=1):
        path = f"{folder}/image{number}.png"
        Image.fromarray(view.pixels).save(out / path, compress_level=1)
        mask = ""
        if view.mask.any():
            mask = f"masks/{path}"
            (out / mask).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(view.mask.astype(np.uint8) * 255).save(out / mask)
        rows.extend(_truth_rows(study, view, path, mask))
    return rows


def _truth_rows(study: PhantomStudy, view: PhantomView, path: str, mask: str) -> list[Row]:
    plan = study.plan
    row = dict.fromkeys(COLUMNS, "") | {
        "path": path,
        "patient_id": plan.patient_id,
        "study_id": f"study{plan.visit}",
        "body_part": plan.body_part.value,
        "split": plan.split,
        "abnormal": str(int(plan.abnormal)),
        "view": view.name,
        "laterality": view.laterality.value,
        "spacing_mm": f"{view.spacing:.4f}",
    }
    if study.category is None or not mask:
        return [row]
    # A mask in several pieces gives several boxes of one finding.
    rows = []
    labels, _ = ndimage.label(ndimage.binary_dilation(view.mask, iterations=2))
    for piece in ndimage.find_objects(labels):
        ys, xs = np.nonzero(view.mask[piece])
        x, y = piece[1].start + xs.min(), piece[0].start + ys.min()
        rows.append(
            row
            | {
                "category": study.category.value,
                "kind": study.kind,
                "subtlety": study.subtlety.value if study.subtlety else "",
                "cnr": f"{view.cnr:.3f}",
                "box_x": str(x),
                "box_y": str(y),
                "box_w": str(xs.max() - xs.min() + 1),
                "box_h": str(ys.max() - ys.min() + 1),
                "mask": mask,
            }
        )
    return rows


def _write_lists(out: Path, split: str, rows: list[Row]) -> None:
    """Write MURA's two CSVs of a split, without headers; paths begin with the folder's name."""
    paths = list(dict.fromkeys(r["path"] for r in rows))
    labels = {str(Path(r["path"]).parent): r["abnormal"] for r in rows}
    with (out / f"{split}_image_paths.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([f"{out.name}/{p}"] for p in paths)
    with (out / f"{split}_labeled_studies.csv").open("w", newline="", encoding="utf-8") as file:
        pairs = ([f"{out.name}/{folder}/", label] for folder, label in labels.items())
        csv.writer(file, lineterminator="\n").writerows(pairs)
