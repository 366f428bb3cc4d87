"""A teacher's answers as arrays: written in parts, joined, ordered like the images."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ulna.atomic_file import atomic_file
from ulna.errors import TrainingError
from ulna.imaging.geometry import area_matrix
from ulna.training.cache import TrainingImages
from ulna.types import Study

_FLOAT16_MOST = 6e4


def image_name(study: Study, image: Path) -> str:
    """Return the name of an image among the answers; a file may belong to two studies."""
    return f"{study.key}|{image}"


@dataclass(frozen=True, eq=False)
class TeacherAnswers:
    """Fused answers for N images, P body parts and F finding categories.

    known: (N,) whether there is an answer. logit: (N, P) abnormal logit of each body part's head,
    calibrated if the bundle is. body_part: (N, P) probabilities. finding: (N, F) logits, not
    calibrated, since the student's are fitted to other labels. routing: (N, P) >= 0 with sum 1, the
    weights of the body parts' heads in the map: those of the image's body part, predicted if it is
    unknown. map: (N, h, w) float16 and bias: (N,), whose mean plus bias is routing @ logit.
    """

    known: npt.NDArray[np.bool_]
    logit: npt.NDArray[np.float32]
    body_part: npt.NDArray[np.float32]
    finding: npt.NDArray[np.float32]
    routing: npt.NDArray[np.float32]
    map: npt.NDArray[np.float16]
    bias: npt.NDArray[np.float32]

    def take(self, index: npt.NDArray[np.int64]) -> TeacherAnswers:
        """Return the answers at `index` (M,)."""
        return TeacherAnswers(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def contrast(self, chosen: npt.NDArray[np.int64], side: int) -> float:
        """Return the root mean square of map cells about their image's mean, for `chosen` images.

        Computed on at most `side` cells a side; 1 where all maps are constant.
        """
        maps = self.map[chosen[self.known[chosen]]].astype(np.float64)
        h, w = (min(side, n) for n in self.map.shape[1:])
        rows, columns = area_matrix(self.map.shape[1], h), area_matrix(self.map.shape[2], w)
        coarse = rows @ maps @ columns.T
        spread = coarse - coarse.mean((1, 2), keepdims=True)
        contrast = float(np.sqrt(np.mean(spread**2))) if len(maps) else 0.0
        return contrast if contrast > 1e-6 else 1.0


def as_half(grid: npt.NDArray[np.floating]) -> npt.NDArray[np.float16]:
    """Return `grid` in half precision, clipped to its range."""
    return np.asarray(np.clip(grid, -_FLOAT16_MOST, _FLOAT16_MOST), dtype=np.float16)


def write_part(answers: TeacherAnswers, names: Sequence[str], file: Path) -> None:
    """Write the answers for the images `names`, as a whole or not at all."""
    arrays = {f.name: getattr(answers, f.name) for f in fields(answers)}
    with atomic_file(file, durable=True) as stream:
        np.savez(stream, images=np.array(names, dtype=np.str_), **arrays)


def read_answers(folder: Path, images: TrainingImages) -> TeacherAnswers:
    """Read the answers in `folder`, one for each of the N `images`, in their order.

    An image without an answer is not `known`. Raises TrainingError for a damaged file and for a
    folder without answers.
    """
    parts = [_read_part(file) for file in sorted(folder.glob("*.npz"))]
    if not parts:
        raise TrainingError(f"{folder}: no answers of a teacher: run the same command again")
    place = {name: i for i, name in enumerate(n for names, _ in parts for n in names)}
    whole = {}
    for name in (f.name for f in fields(TeacherAnswers)):
        rows = [getattr(answers, name) for _, answers in parts]
        nothing = np.zeros((1, *rows[0].shape[1:]), rows[0].dtype)  # for index -1
        whole[name] = np.concatenate([*rows, nothing])
    named = (
        f"{images.keys[s]}|{image}" for s, image in zip(images.study, images.paths, strict=True)
    )
    index = np.array([place.get(name, -1) for name in named], np.int64)
    return TeacherAnswers(**whole).take(index)


def _read_part(file: Path) -> tuple[list[str], TeacherAnswers]:
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
            arrays = {f.name: stored[f.name] for f in fields(TeacherAnswers)}
            names = stored["images" if "images" in stored else "films"]  # as older releases wrote
            return [str(n) for n in names], TeacherAnswers(**arrays)
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(
            f"{file}: damaged ({error}): delete it, and the same command computes it again"
        ) from None
