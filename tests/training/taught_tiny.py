"""A student's tiny recipe, and its training by a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.training.tiny import make_recipe

from ulna.config.augmentation import Augmentation
from ulna.config.distillation import Distillation
from ulna.config.recipe import ExpertConfig, LossWeights, Recipe
from ulna.runtime import Predictor
from ulna.training import DataSource, train_run
from ulna.training.run import begin_run
from ulna.training.source import TeacherData
from ulna.training.teacher.collect import collect_teacher_answers
from ulna.types import FindingCategory, Study

TAUGHT = Distillation(logits=1, body_part=0.5, finding=0.5, map=1, hard_labels=0)
STILL = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0)


def student(epochs: int = 2, **changes: object) -> Recipe:
    expert = ExpertConfig(
        name="student", encoder="cnn", epochs=epochs, batch_size=12, learning_rate=3e-3
    )
    values: dict[str, object] = {
        "experts": (expert,),
        "categories": (FindingCategory.FRACTURE, FindingCategory.HARDWARE),
        "augmentation": STILL,
        "distillation": TAUGHT,
        "loss": LossWeights(),
        "patience": 0,
        "precision": "32-true",
        "fractions": {"train": 1.0, "tune": 0.0, "calibration": 0.0},
        "checkpoint_every": 1,
    }
    return make_recipe(**{**values, **changes})


def distilled(
    teacher: Predictor,
    studies: Sequence[Study],
    recipe: Recipe,
    out: Path,
    beside: tuple[Study, ...] = (),
) -> Path:
    begun = begin_run(recipe, studies, out, DataSource("table"))
    answers = collect_teacher_answers(teacher, [*begun.parts["train"], *beside], out / "teacher")
    source = DataSource("table", teaching=TeacherData(answers, beside))
    return train_run(recipe, studies, out, source)
