"""The experts' outputs as input of a calibration: logits per image and labels per study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ulna.metrics.logistic import sigmoid
from ulna.types import BodyPart

if TYPE_CHECKING:
    from ulna.bundle import Manifest
    from ulna.runtime import StudyOutputs

Floats = npt.NDArray[np.float64]
_SMALLEST = 1e-4


@dataclass(frozen=True)
class PartScores:
    """The labelled studies of some body part.

    logits: (I, E) of each image by each expert, uncalibrated. study: (I,) index of the image's
    study. abnormal: (N,) labels of the studies.
    """

    logits: Floats
    study: npt.NDArray[np.int64]
    abnormal: npt.NDArray[np.bool_]

    @property
    def fewest(self) -> int:
        """Number of studies of the rarer class."""
        return int(min(self.abnormal.sum(), (~self.abnormal).sum()))

    def probability(self, weights: Floats, offset: float, temperature: float) -> Floats:
        """Return calibrated study probabilities (N,), means of sigmoid((Lw + o) / T) by image."""
        z = (self.logits @ weights + offset) / temperature
        p = sigmoid(z)
        n = len(self.abnormal)
        return np.bincount(self.study, p, n) / np.bincount(self.study, minlength=n)


def part_scores(
    outputs: Sequence[StudyOutputs], part: BodyPart, manifest: Manifest
) -> PartScores | None:
    """Collect the labelled studies of `part` among `outputs`. None if there are none."""
    column = manifest.body_parts.index(part)
    names = [e.name for e in manifest.experts]
    rows: list[list[float]] = []
    study: list[int] = []
    labels: list[bool] = []
    for output in outputs:
        if output.study.body_part != part or output.study.abnormal is None:
            continue
        for image in output.images:
            rows.append([float(image.experts[n].abnormal[column]) for n in names])
            study.append(len(labels))
        labels.append(output.study.abnormal)
    if not labels:
        return None
    return PartScores(np.array(rows), np.array(study), np.array(labels, dtype=np.bool_))


def pooled_scores(parts: Sequence[PartScores]) -> PartScores:
    """Concatenate the studies of several body parts."""
    starts = np.cumsum([0, *(len(p.abnormal) for p in parts[:-1])])
    return PartScores(
        np.concatenate([p.logits for p in parts]),
        np.concatenate([p.study + s for p, s in zip(parts, starts, strict=True)]),
        np.concatenate([p.abnormal for p in parts]),
    )


def logit(probability: npt.ArrayLike) -> Floats:
    """Return log(p / (1 - p)), with p clipped to [0.0001, 0.9999]."""
    p = np.clip(np.asarray(probability, dtype=np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(p / (1 - p)), dtype=np.float64)
