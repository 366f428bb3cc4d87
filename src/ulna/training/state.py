"""Input and state of one expert's training."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ulna.config.recipe import Recipe
from ulna.training.budget import TimeSpent
from ulna.training.cache import TrainingImages
from ulna.training.cache_folder import Progress
from ulna.training.ranks.group import SINGLE_PROCESS, Ranks
from ulna.training.teacher.answers import TeacherAnswers


@dataclass
class FitState:
    """State of an expert's training, stored in the checkpoint as JSON.

    whole_from: the first step on whole images, -1 before.
    """

    step: int = 0
    whole_from: int = -1
    epochs: int = 0
    loss_sum: float = 0.0
    best_score: float = float("-inf")
    best_epoch: int = -1
    spent: TimeSpent = field(default_factory=TimeSpent)
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class FitInput:
    """Input of one expert's training in addition to its own settings.

    progress: None in all processes but the first. answers: the teacher's, one for each of `images`,
    or None without a teacher.
    """

    recipe: Recipe
    images: TrainingImages
    train: npt.NDArray[np.int64]
    tune: npt.NDArray[np.int64]
    folder: Path
    minutes: float
    progress: Progress | None
    ranks: Ranks = SINGLE_PROCESS
    answers: TeacherAnswers | None = None
