"""Compute a teacher's answers for all training images of a student, resumable after a kill."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ulna.bundle import Manifest
from ulna.config.codec import to_json
from ulna.errors import ImageError, ImageWarning, UlnaWarning, message_of
from ulna.imaging.geometry import area_matrix
from ulna.runtime import ImageOutputs, Predictor
from ulna.runtime.findings import expert_shares, finding_logits
from ulna.runtime.fusion import (
    Floats,
    active_experts,
    fuse_image,
    part_probabilities,
    routing_weights,
)
from ulna.training.cache import image_stamp
from ulna.training.cache_folder import Progress
from ulna.training.teacher.answers import TeacherAnswers, as_half, image_name, write_part
from ulna.types import BodyPart, Study

# Raise it with every change of the files.
_VERSION = 1
_KEY_DIGITS = 20
# Studies whose answers are written to one file.
_PER_FILE = 32
# Largest side of the stored maps in cells; those of a student are seldom finer.
_MAP_SIDE = 40


def collect_teacher_answers(
    teacher: Predictor, studies: Sequence[Study], folder: Path, progress: Progress | None = None
) -> Path:
    """Compute the answers of `teacher` for every image of `studies`; return their folder.

    The folder lies below `folder`; `read_answers` reads it. An image of a body part that the
    teacher knows is answered by its heads, others by those of the predicted body part. The answers
    are fused, and calibrated if the bundle is (else an UlnaWarning). Files that exist already for
    the same bundle, fusion, engine and images are kept. An image that cannot be read has no answer
    (ImageWarning).
    """
    if not teacher.manifest.fusion.calibrated:
        warnings.warn(
            f"{teacher.bundle.path}: the teacher is not calibrated: its experts have equal "
            "weight, and its logits are not corrected; run `ulna calibrate` first",
            UlnaWarning,
            stacklevel=2,
        )
    answers = folder / _key(teacher, studies)
    answers.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(studies), _PER_FILE):
        part = studies[start : start + _PER_FILE]
        file = answers / f"{start // _PER_FILE:06}.npz"
        if not file.is_file():
            _write_answers(teacher, part, file)
        if progress:
            progress("teacher answers", min(start + _PER_FILE, len(studies)), len(studies))
    return answers


def _key(teacher: Predictor, studies: Sequence[Study]) -> str:
    """Hash all that the answers depend on."""
    fusion = json.dumps(to_json(teacher.manifest.fusion), sort_keys=True)
    engine = replace(teacher.engine, threads=0)
    digest = hashlib.sha256(f"{_VERSION}|{teacher.bundle.hash}|{engine}|{fusion}\n".encode())
    for study in studies:
        images = [image_stamp(ref.path) for ref in study.images]
        digest.update(f"{study.key}|{study.body_part}|{images}\n".encode("utf-8", "replace"))
    return digest.hexdigest()[:_KEY_DIGITS]


def _write_answers(teacher: Predictor, studies: Sequence[Study], file: Path) -> None:
    names, rows = [], []
    for study in studies:
        for name, row in _of_study(teacher, study):
            names.append(name)
            rows.append(row)
    rows = rows or [_zero_row(teacher.manifest)]  # for the shapes of empty arrays
    columns = {k: np.stack([row[k] for row in rows])[: len(names)] for k in rows[0]}
    write_part(TeacherAnswers(known=np.ones(len(names), np.bool_), **columns), names, file)


Row = dict[str, np.ndarray]


def _of_study(teacher: Predictor, study: Study) -> Iterator[tuple[str, Row]]:
    manifest = teacher.manifest
    known_part = study.body_part if study.body_part in manifest.body_parts else None
    try:
        outputs = teacher.outputs(study)
    except (ImageError, MemoryError) as error:
        message = f"{study.key}: no answer of the teacher: {message_of(error)}"
        warnings.warn(message, ImageWarning, stacklevel=4)
        return
    for image in outputs.images:
        yield image_name(study, image.ref.path), _answer_of(image, known_part, manifest)


def _answer_of(image: ImageOutputs, known_part: BodyPart | None, manifest: Manifest) -> Row:
    """Return the row of `TeacherAnswers` of one image, for which all experts were run."""
    parts = manifest.body_parts
    seen = [image.experts[n].body_part for n in active_experts(manifest, None)]
    routing = routing_weights(seen, parts, known_part)
    routed = fuse_image(image.experts, routing, manifest)
    shares = expert_shares(manifest, routing)
    each = [fuse_image(image.experts, one, manifest).logit for one in np.eye(len(parts))]
    return {
        "logit": np.array(each, np.float32),
        "body_part": part_probabilities(seen).astype(np.float32),
        "finding": finding_logits(image.experts, shares, manifest).astype(np.float32),
        "routing": routing.astype(np.float32),
        "map": as_half(_on_side(routed.grid, _side(manifest))),
        "bias": np.array(routed.bias, np.float32),
    }


def _side(manifest: Manifest) -> int:
    """Return the side of all stored maps, whichever experts have a weight for a body part."""
    return min(max(max(e.grid) for e in manifest.experts), _MAP_SIDE)


def _on_side(grid: np.ndarray, side: int) -> Floats:
    """Return `grid` resampled to (side, side) cells with the same mean."""
    rows, columns = (area_matrix(n, side) for n in grid.shape)
    return np.asarray(rows @ grid.astype(np.float64) @ columns.T)


def _zero_row(manifest: Manifest) -> Row:
    """Return a row of the right shapes, for studies without a readable image."""
    p, f = len(manifest.body_parts), len(manifest.categories)
    side = _side(manifest)
    zeros = {"logit": p, "body_part": p, "finding": f, "routing": p}
    row: Row = {k: np.zeros(n, np.float32) for k, n in zeros.items()}
    return row | {"map": np.zeros((side, side), np.float16), "bias": np.array(0, np.float32)}
