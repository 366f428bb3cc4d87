"""Images as the prototype read them: the first of each region, resized to a square."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ulna.datasets.labelled import labelled
from ulna.errors import DatasetError, ImageError, ImageWarning
from ulna.imaging import read_radiograph
from ulna.types import Study

Indices = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class AuditImages:
    """N images. pixels: (N, S, S) uint8. part, abnormal: (N,). patients, studies: (N,) ids.

    part: index into `parts`.
    """

    pixels: npt.NDArray[np.uint8]
    part: Indices
    abnormal: Indices
    patients: tuple[str, ...]
    studies: tuple[str, ...]
    parts: tuple[str, ...]


def first_images(
    studies: Sequence[Study], n: int, size: int, progress: Callable[[int, int], None]
) -> AuditImages:
    """Read the first `n` images of each region in the data's order, resized to size x size px.

    As in the prototype the aspect ratio is not kept, and grey values are scaled by the file's
    range. Images that cannot be read are skipped with a warning. progress(read, images of the
    data). Raises DatasetError unless there are normal and abnormal studies of at least two regions.
    """
    chosen = _first(studies, n, size, progress)
    parts = tuple(sorted({str(s.body_part) for s, _ in chosen}))
    labels = {s.abnormal for s, _ in chosen}
    if len(parts) < 2 or labels != {True, False}:
        raise DatasetError(
            f"{len(chosen)} labelled images of {', '.join(parts) or 'no region'}: expected normal "
            "and abnormal studies of at least two regions"
        )
    return AuditImages(
        pixels=np.stack([pixels for _, pixels in chosen]),
        part=np.array([parts.index(str(s.body_part)) for s, _ in chosen]),
        abnormal=np.array([int(bool(s.abnormal)) for s, _ in chosen]),
        patients=tuple(s.patient_id for s, _ in chosen),
        studies=tuple(s.key for s, _ in chosen),
        parts=parts,
    )


def _first(
    studies: Sequence[Study], n: int, size: int, progress: Callable[[int, int], None]
) -> list[tuple[Study, Pixels]]:
    known = labelled(studies, "audit", part_needed=True)
    usable = [(s, image.path) for s in known for image in s.images]
    counts: dict[str, int] = {}
    chosen = []
    for done, (study, path) in enumerate(usable, start=1):
        part = str(study.body_part)
        if counts.get(part, 0) < n and (pixels := _resized(path, size)) is not None:
            counts[part] = counts.get(part, 0) + 1
            chosen.append((study, pixels))
        progress(done, len(usable))
    return chosen


def _resized(path: Path, size: int) -> Pixels | None:
    try:
        grey = np.rint(read_radiograph(path).pixels * 255).astype(np.uint8)
    except ImageError as error:
        warnings.warn(f"skipped: {error}", ImageWarning, stacklevel=2)
        return None
    square = Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(square)


def split_by_image(n: int, share: float, seed: int) -> tuple[Indices, Indices]:
    """Return (train, test) of n images dealt one by one: a study may be on both sides."""
    order = np.random.default_rng(seed).permutation(n)
    cut = n - round(share * n)
    return np.sort(order[:cut]), np.sort(order[cut:])


def split_by_patient(patients: Sequence[str], share: float, seed: int) -> tuple[Indices, Indices]:
    """Return (train, test) without a common patient; test has about `share` of the images."""
    ids = np.array(patients)
    order = np.random.default_rng(seed).permutation(np.unique(ids))
    sizes = np.array([np.count_nonzero(ids == p) for p in order])
    held = order[np.cumsum(sizes) <= max(share * len(ids), sizes[0])]
    test = np.isin(ids, held)
    return np.flatnonzero(~test), np.flatnonzero(test)
