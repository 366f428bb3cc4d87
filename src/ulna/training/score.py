"""The study-level score for early stopping."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulna.metrics import auroc
from ulna.training.cache import TrainingImages


def study_auroc_score(
    logit: npt.NDArray[np.float64], images: TrainingImages, index: npt.NDArray[np.int64]
) -> float:
    """Return the mean over body parts of the AUROC of studies (mean over a study's images).

    logit: (n,) of the images `index`. Images of unknown body part count as one part. Parts with one
    class only do not count; nan when no part counts.
    """
    probability = 1 / (1 + np.exp(-np.clip(logit, -40, 40)))
    study = images.study[index]
    _, first, inverse = np.unique(study, return_index=True, return_inverse=True)
    mean = np.bincount(inverse, probability) / np.bincount(inverse)
    label, part = images.abnormal[index][first], images.part[index][first]
    values = []
    for p in np.unique(part):
        chosen = (part == p) & ~np.isnan(label)
        truth = label[chosen] == 1
        if truth.any() and not truth.all():
            values.append(auroc(truth, mean[chosen]))
    return float(np.mean(values)) if values else float("nan")
