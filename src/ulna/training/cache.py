"""The cache of decoded images: a memory-mapped array that training reads at random.

The cache holds the output of `preprocess.letterbox_uint8`, so training sees the pixels that
`preprocess.prepare` will pass to the graphs of a bundle. `training.cache_folder` describes how runs
share it.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ulna import __version__
from ulna.config.codec import write_json
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import Recipe
from ulna.datasets.boxes import warn_of_boxes_outside
from ulna.datasets.finding_labels import known_finding
from ulna.errors import DatasetError, ImageError, ImageWarning
from ulna.imaging import read_radiograph
from ulna.imaging.geometry import letterbox
from ulna.machine import usable_cores
from ulna.preprocess import PIXELS_VERSION, letterbox_uint8
from ulna.training.cache_folder import (
    KEY_DIGITS,
    NOTE,
    Lease,
    Progress,
    creation_lock,
    new_entry,
    open_entry,
    reserve,
)
from ulna.types import ImageRef, Study

# Masks are stored at a quarter of the input's side: the finest grid of any expert is an eighth.
MASK_STRIDE = 4
IMAGES, MASKS = "images.npy", "masks.npy"


@dataclass(frozen=True)
class TrainingImages:
    """N images with their labels.

    images: (N, S, S) uint8, memory-mapped. masks: (N, S/4, S/4) uint8, share of the cell inside a
    finding in 1/255, memory-mapped. has_mask: (N,) whether the mask is known (it is, and empty, for
    normal images). part: (N,) index of the body part or -1. abnormal: (N,) 0, 1 or nan. categories:
    (N, F) 0, 1 or nan. study: (N,) index into `keys`. source: (N,) index of the source in the
    sorted names of all sources. weight: (N,) sampling weight of the source. paths: of the images.
    lease: while it lives, no other run removes the memory-mapped files.
    """

    images: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    has_mask: npt.NDArray[np.bool_]
    part: npt.NDArray[np.int64]
    abnormal: npt.NDArray[np.float32]
    categories: npt.NDArray[np.float32]
    study: npt.NDArray[np.int64]
    keys: tuple[str, ...]
    source: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]
    paths: tuple[Path, ...] = ()
    lease: Lease | None = field(default=None, repr=False, compare=False)

    def of(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the ascending indices of the images whose study is one of `keys`."""
        wanted = set(keys)
        chosen = np.array([k in wanted for k in self.keys], bool)
        return np.flatnonzero(chosen[self.study])


def build_cache(
    studies: Sequence[Study], recipe: Recipe, folder: Path, progress: Progress | None = None
) -> TrainingImages:
    """Decode `studies` into `folder`, or open what an earlier call with the same input left there.

    Of two processes with the same input one decodes and the other waits. Other inputs have entries
    of their own. Images that cannot be read are left out with one ImageWarning that names them.
    Raises DatasetError when none is left, TrainingError when the disk is full.
    """
    refs = [(s, ref) for s in range(len(studies)) for ref in studies[s].images]
    key = _fingerprint(refs, recipe.input_spec)[:KEY_DIGITS]
    opened = open_entry(folder, key)
    if opened is None:
        with creation_lock(folder, key, progress):
            opened = open_entry(folder, key) or _make_entry(refs, recipe, folder, key, progress)
    if opened is None:
        raise DatasetError(
            f"{folder / key}: removed while it was being read: run the same command again"
        )
    note, lease = opened
    failed = {int(i): str(why) for i, why in note["failed"].items()}
    _warn_of(failed, len(refs))
    kept = [i for i in range(len(refs)) if i not in failed]
    return _assemble(studies, [refs[i] for i in kept], recipe, folder / key, lease)


def _make_entry(
    refs: Sequence[tuple[int, ImageRef]],
    recipe: Recipe,
    folder: Path,
    key: str,
    progress: Progress | None,
) -> tuple[dict[str, Any], Lease] | None:
    with new_entry(folder, key) as entry:
        failed = _decode([ref for _, ref in refs], recipe.input_spec, entry, progress)
        write_json({"failed": failed}, entry / NOTE)
    return open_entry(folder, key)


def _fingerprint(refs: Sequence[tuple[int, ImageRef]], spec: InputSpec) -> str:
    """Hash all that the arrays depend on: images, masks, boxes, settings, software versions."""
    digest = hashlib.sha256(f"{__version__}|{PIXELS_VERSION}|{spec!r}\n".encode())
    for study, ref in refs:
        boxes = [f.box for f in ref.findings]
        mask = f"|{image_stamp(ref.mask)}" if ref.mask else ""
        digest.update(f"{study}|{image_stamp(ref.path)}|{boxes}{mask}\n".encode())
    return digest.hexdigest()


def image_stamp(file: Path) -> str:
    """Return a text that identifies the state of `file` and changes when it changes or is gone."""
    try:
        stat = file.stat()
    except OSError:  # `build_cache` leaves it out with a warning later
        return f"{file}|missing"
    return f"{file}|{stat.st_size}|{stat.st_mtime_ns}"


def _decode(
    refs: Sequence[ImageRef], spec: InputSpec, entry: Path, progress: Progress | None
) -> dict[int, str]:
    """Write the readable images of `refs` to `entry` and return errors by index of the others.

    Raises DatasetError when none is readable.
    """
    n, s, m = len(refs), spec.size, spec.size // MASK_STRIDE
    images = _new_map(entry / IMAGES, (n, s, s))
    masks = _new_map(entry / MASKS, (n, m, m))

    def one(i: int) -> str:
        try:
            radiograph = read_radiograph(refs[i].path)
            images[i], placement = letterbox_uint8(radiograph, spec)
            shape: tuple[int, int] = radiograph.pixels.shape
            mask = _mask(refs[i], shape)
            if mask is not None:
                masks[i] = np.round(letterbox(mask, m, placement.part)[0] * 255).astype(np.uint8)
        except (ImageError, OSError) as error:
            return str(error) or f"{refs[i].path}: not readable"
        return ""

    failed: dict[int, str] = {}
    with ThreadPoolExecutor(usable_cores()) as pool:
        for i, why in enumerate(pool.map(one, range(n))):
            if why:
                failed[i] = why
            elif failed:
                # Row by row, so that a bad image costs no copy of the whole map in memory.
                images[i - len(failed)], masks[i - len(failed)] = images[i], masks[i]
            if progress:
                progress("decode", i + 1, n)
    if len(failed) == n:
        raise DatasetError(f"none of {n} images is readable: {next(iter(failed.values()), '')}")
    images.flush()
    masks.flush()
    return failed


def _new_map(file: Path, shape: tuple[int, ...]) -> np.memmap[tuple[int, ...], np.dtype[np.uint8]]:
    """Return a memory-mapped array of zeros whose disk space is reserved."""
    array = np.lib.format.open_memmap(file, "w+", np.uint8, shape)
    reserve(file, file.stat().st_size)
    return array


def _mask(ref: ImageRef, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
    """Return the (H, W) mask of findings from the mask file or the boxes; None without both."""
    if ref.mask is not None:
        mask = read_radiograph(ref.mask).pixels
        if mask.shape != shape:
            raise ImageError(
                f"{ref.mask}: mask of {mask.shape} px for an image of {shape}: expected equal sizes"
            )
        return (mask > 0).astype(np.float32)
    if not ref.findings:
        return None
    warn_of_boxes_outside(ref, shape)
    drawn = np.zeros(shape, np.float32)
    for finding in ref.findings:
        x, y, w, h = finding.box
        rows = slice(max(int(y), 0), max(int(np.ceil(y + h)), 0))
        drawn[rows, max(int(x), 0) : max(int(np.ceil(x + w)), 0)] = 1
    return drawn


def _warn_of(failed: dict[int, str], n: int) -> None:
    if failed:
        names = "; ".join(list(failed.values())[:5])
        warnings.warn(f"{len(failed)} of {n} images left out: {names}", ImageWarning, stacklevel=3)


def _assemble(
    studies: Sequence[Study],
    refs: Sequence[tuple[int, ImageRef]],
    recipe: Recipe,
    entry: Path,
    lease: Lease,
) -> TrainingImages:
    """Return the images of `refs`, which are those of the entry in its order."""
    index = {p: i for i, p in enumerate(recipe.body_parts)}
    study = np.array([s for s, _ in refs], np.int64)
    abnormal = np.array([_label(s.abnormal) for s in studies], np.float32)[study]
    drawn = np.array([bool(ref.mask or ref.findings) for _, ref in refs], bool)
    part = [index.get(s.body_part, -1) if s.body_part else -1 for s in studies]
    return TrainingImages(
        images=np.load(entry / IMAGES, mmap_mode="r")[: len(refs)],
        masks=np.load(entry / MASKS, mmap_mode="r")[: len(refs)],
        has_mask=drawn | (abnormal == 0),
        part=np.array(part, np.int64)[study],
        abnormal=abnormal,
        categories=_category_targets(studies, recipe)[study],
        study=study,
        keys=tuple(s.key for s in studies),
        source=_source_numbers(studies)[study],
        weight=np.array([s.weight for s in studies], np.float64)[study],
        paths=tuple(ref.path for _, ref in refs),
        lease=lease,
    )


def _label(abnormal: bool | None) -> float:
    return float("nan") if abnormal is None else float(abnormal)


def _source_numbers(studies: Sequence[Study]) -> npt.NDArray[np.int64]:
    names = sorted({s.source for s in studies})
    return np.array([names.index(s.source) for s in studies], np.int64)


def _category_targets(studies: Sequence[Study], recipe: Recipe) -> npt.NDArray[np.float32]:
    """Return (n, F) 0, 1, or nan where the source does not say."""
    categories, means = recipe.categories, recipe.abnormal_means
    known = [_label(known_finding(s, c, means)) for s in studies for c in categories]
    return np.array(known, np.float32).reshape(len(studies), len(categories))
