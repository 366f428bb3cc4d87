"""The distillation loss in the units of the teacher."""

from __future__ import annotations

import torch

from ulna.models.expert import Expert
from ulna.training.losses.distillation import DistillationLoss
from ulna.training.state import FitInput


def distillation_loss(expert: Expert, inputs: FitInput) -> DistillationLoss | None:
    """Return the distillation loss for `expert`, or None without a teacher."""
    if inputs.answers is None:
        return None
    contrast = inputs.answers.contrast(inputs.train, _side(expert, inputs.recipe.input_spec.size))
    return DistillationLoss(inputs.recipe.distillation, contrast, inputs.ranks.total)


@torch.no_grad()
def _side(expert: Expert, size: int) -> int:
    """Return the side of the expert's map in cells."""
    training = expert.training
    side = expert.eval()(torch.zeros(1, 1, size, size)).cam_BPhw.shape[-1]
    expert.train(training)
    return int(side)
