"""Checks of the sizes of a run's parts, before any expert trains."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ulna.config.recipe import ExpertConfig, Recipe
from ulna.errors import DatasetError, DatasetWarning, TrainingError, UlnaWarning
from ulna.training.cache import TrainingImages
from ulna.training.score import study_auroc_score
from ulna.types import Study

Indices = npt.NDArray[np.int64]
# Studies of each class that `ulna calibrate` needs (calibration.calibrate.MIN_POOLED).
LEAST_CALIBRATION = 4


def batch_size(config: ExpertConfig, n_images: int) -> int:
    """Return the images of a step over all devices: the config's, or all of `n_images`."""
    return min(config.batch_size, n_images)


def check_parts(recipe: Recipe, images: TrainingImages, train: Indices, devices: int) -> None:
    """Raise where an expert could not train on the images `train`.

    devices: number of processes that share a batch. Raises TrainingError for fewer than 2 images
    per step, or fewer than devices, DatasetError for images of one class only.
    """
    for config in recipe.experts:
        size = batch_size(config, len(train))
        if size < max(2, devices):
            raise TrainingError(
                f"expert {config.name}: {len(train)} training images, batch {size} over {devices} "
                "devices: expected at least 2 images, and 1 for each device; add studies or use "
                "fewer devices"
            )
    labels = set(images.abnormal[train].tolist())
    if not {0.0, 1.0} <= labels:
        raise DatasetError(
            f"the training part's {len(train)} images are all "
            f"{'abnormal' if 1.0 in labels else 'normal'}: expected both; add patients, or "
            "raise the recipe's fraction 'train'"
        )


def warn_of_small_parts(
    recipe: Recipe,
    images: TrainingImages,
    tune: Indices,
    side: Sequence[Study],
    parts: Mapping[str, Sequence[str]],
) -> None:
    """Warn where the other parts are too small for early stopping or for calibration.

    tune: images of that part. side: the studies that were split. parts: their keys by part. Warns
    with UlnaWarning and DatasetWarning.
    """
    flat = study_auroc_score(np.zeros(len(tune)), images, tune) if len(tune) else math.nan
    if recipe.patience and math.isnan(flat):
        warnings.warn(
            "no tune score: no body part of the tune part has normal and abnormal studies, so "
            "training will not stop early and the last epoch is kept; raise the recipe's fraction "
            "'tune', or set patience=0",
            UlnaWarning,
            stacklevel=3,
        )
    chosen = set(parts.get("calibration", ()))
    labels = [s.abnormal for s in side if s.key in chosen and s.body_part is not None]
    if (
        recipe.fractions["calibration"]
        and min(map(labels.count, (True, False))) < LEAST_CALIBRATION
    ):
        warnings.warn(
            f"the calibration part has {labels.count(False)} normal and {labels.count(True)} "
            f"abnormal studies: `ulna calibrate` needs at least {LEAST_CALIBRATION} of each; raise "
            "the recipe's fraction 'calibration', or calibrate on other data",
            DatasetWarning,
            stacklevel=3,
        )
