"""The loss of a student's training, in the units of its own teacher."""

from __future__ import annotations

import torch

from ulna.models.expert import Expert
from ulna.training.losses.distillation import DistillationLoss
from ulna.training.state import FitInput


def distillation_loss(expert: Expert, given: FitInput) -> DistillationLoss | None:
    """What `expert` loses by not answering like its teacher; None without a teacher."""
    if given.answers is None:
        return None
    contrast = given.answers.contrast(given.train, _side(expert, given.recipe.input_spec.size))
    return DistillationLoss(given.recipe.distillation, contrast, given.ranks.total)


@torch.no_grad()
def _side(expert: Expert, size: int) -> int:
    """Cells along a side of the expert's map."""
    learns = expert.training
    result = expert.eval()(torch.zeros(1, 1, size, size)).cam_BPhw.shape[-1]
    expert.train(learns)
    return int(result)
