"""Every image decoded once, into a memory-mapped array that training reads at random.

The cache holds what `preprocess.letterbox_uint8` gives, so training sees the pixels that
`preprocess.prepare` will show the bundle's graphs.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ulna.config.codec import write_json
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import Recipe
from ulna.datasets.boxes import warn_of_boxes_outside
from ulna.errors import DatasetError, ImageError, ImageWarning
from ulna.imaging import read_radiograph
from ulna.imaging.geometry import letterbox
from ulna.machine import usable_cores
from ulna.preprocess import letterbox_uint8
from ulna.types import FindingCategory, ImageRef, Study

Progress = Callable[[str, int, int], None]
# Masks are kept at a quarter of the input's side: the finest grid of any expert is an eighth.
MASK_STRIDE = 4


@dataclass(frozen=True)
class TrainingImages:
    """N images and what is known of each.

    images: (N, S, S) uint8, memory-mapped. masks: (N, S/4, S/4) uint8, share of the cell
    inside a finding in 1/255, memory-mapped. has_mask: (N,) whether the mask is known (it is,
    and empty, for normal images). part: (N,) index of the body part or -1. abnormal: (N,)
    0, 1 or nan. categories: (N, F) 0, 1 or nan. study: (N,) index into `keys`.
    """

    images: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    has_mask: npt.NDArray[np.bool_]
    part: npt.NDArray[np.int64]
    abnormal: npt.NDArray[np.float32]
    categories: npt.NDArray[np.float32]
    study: npt.NDArray[np.int64]
    keys: tuple[str, ...]

    def of(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        """Indices of the images whose study is one of `keys`, ascending."""
        wanted = set(keys)
        chosen = np.array([k in wanted for k in self.keys], bool)
        return np.flatnonzero(chosen[self.study])


def build_cache(
    studies: Sequence[Study], recipe: Recipe, folder: Path, progress: Progress | None = None
) -> TrainingImages:
    """`studies` decoded into `folder`, or what an earlier call with the same input left there.

    Images that cannot be read are left out with one ImageWarning that names them; raises
    DatasetError when none is left.
    """
    refs = [(s, ref) for s in range(len(studies)) for ref in studies[s].images]
    spec = recipe.input_spec
    fingerprint = _fingerprint(refs, spec)
    done = folder / "done.json"
    errors = _decoded_before(done, fingerprint)
    if errors is None:
        folder.mkdir(parents=True, exist_ok=True)
        done.unlink(missing_ok=True)
        errors = _decode([r for _, r in refs], spec, folder, progress)
        write_json({"fingerprint": fingerprint, "errors": errors}, done)
    _report(errors, len(refs))
    keep = np.array([str(r.path) not in errors for _, r in refs], bool)
    return _assemble(studies, refs, keep, recipe, folder)


def _decoded_before(done: Path, fingerprint: str) -> dict[str, str] | None:
    """The unreadable images of the cache that is there; None if there is none of this input.

    A note cut short by a kill is none: the images are decoded again.
    """
    try:
        note = json.loads(done.read_text(encoding="utf-8"))
        return dict(note["errors"]) if note["fingerprint"] == fingerprint else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _fingerprint(refs: Sequence[tuple[int, ImageRef]], spec: InputSpec) -> str:
    digest = hashlib.sha256(repr(spec).encode())
    for study, ref in refs:
        boxes = [f.box for f in ref.findings]
        mask = f"|{_stamp(ref.mask)}" if ref.mask else ""
        digest.update(f"{study}|{_stamp(ref.path)}|{boxes}{mask}\n".encode())
    return digest.hexdigest()


def _stamp(file: Path) -> str:
    stat = file.stat()
    return f"{file}|{stat.st_size}|{stat.st_mtime_ns}"


def _decode(
    refs: Sequence[ImageRef], spec: InputSpec, folder: Path, progress: Progress | None
) -> dict[str, str]:
    n, s, m = len(refs), spec.size, spec.size // MASK_STRIDE
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (n, s, s))
    masks = np.lib.format.open_memmap(folder / "masks.npy", "w+", np.uint8, (n, m, m))

    def one(i: int) -> tuple[str, str] | None:
        try:
            radiograph = read_radiograph(refs[i].path)
            images[i] = letterbox_uint8(radiograph, spec)[0]
            shape: tuple[int, int] = radiograph.pixels.shape
            mask = _mask(refs[i], shape)
            if mask is not None:
                masks[i] = np.round(letterbox(mask, m)[0] * 255).astype(np.uint8)
        except (ImageError, OSError) as error:
            return str(refs[i].path), str(error)
        return None

    errors = {}
    with ThreadPoolExecutor(usable_cores()) as pool:
        for i, failure in enumerate(pool.map(one, range(n))):
            if failure:
                errors[failure[0]] = failure[1]
            if progress:
                progress("decode", i + 1, n)
    images.flush()
    masks.flush()
    return errors


def _mask(ref: ImageRef, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
    """(H, W) 1 inside a finding, from the mask file or else the boxes; None without either."""
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


def _report(errors: dict[str, str], n: int) -> None:
    if len(errors) == n:
        raise DatasetError(f"none of {n} images is readable; the first: {next(iter(errors))}")
    if errors:
        names = "; ".join(list(errors.values())[:5])
        warnings.warn(f"{len(errors)} of {n} images left out: {names}", ImageWarning, stacklevel=3)


def _assemble(
    studies: Sequence[Study],
    refs: Sequence[tuple[int, ImageRef]],
    keep: npt.NDArray[np.bool_],
    recipe: Recipe,
    folder: Path,
) -> TrainingImages:
    images = np.load(folder / "images.npy", mmap_mode="r")
    masks = np.load(folder / "masks.npy", mmap_mode="r")
    kept = np.flatnonzero(keep).tolist()
    if len(kept) < len(refs):
        images, masks = images[kept], masks[kept]
    index = {p: i for i, p in enumerate(recipe.body_parts)}
    study = np.array([refs[i][0] for i in kept], np.int64)
    abnormal = np.array([_label(s.abnormal) for s in studies], np.float32)[study]
    drawn = np.array([bool(refs[i][1].mask or refs[i][1].findings) for i in kept], bool)
    part = [index.get(s.body_part, -1) if s.body_part else -1 for s in studies]
    return TrainingImages(
        images=images,
        masks=masks,
        has_mask=drawn | (abnormal == 0),
        part=np.array(part, np.int64)[study],
        abnormal=abnormal,
        categories=_category_targets(studies, recipe.categories)[study],
        study=study,
        keys=tuple(s.key for s in studies),
    )


def _label(abnormal: bool | None) -> float:
    return float("nan") if abnormal is None else float(abnormal)


def _category_targets(
    studies: Sequence[Study], categories: Sequence[FindingCategory]
) -> npt.NDArray[np.float32]:
    targets = np.full((len(studies), len(categories)), np.nan, np.float32)
    for i, study in enumerate(studies):
        if study.categories is not None:
            targets[i] = [c in study.categories for c in categories]
    return targets
