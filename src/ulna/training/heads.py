"""Linear heads fitted to convergence on the pooled features of a trunk that has done learning.

With the trunk fixed the heads are logistic regressions, so there is one best answer and no
learning rate: L-BFGS (Liu and Nocedal 1989) on the losses of training, plus a ridge penalty.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ulna.config.recipe import Recipe
from ulna.models.expert import Expert
from ulna.training.augment import as_float
from ulna.training.cache import TrainingImages
from ulna.training.losses.classification import (
    abnormal_loss,
    body_part_loss,
    class_weights,
    finding_loss,
)

LossOf = Callable[[Tensor], Tensor]
_BATCH = 16
_STEPS = 300
# Of the squared weights on standardised features, by the number of images: half of 1 / C with
# scikit-learn's C = 5. From 0.01 to 1 AUROC on two folds of FracAtlas moved by 0.03.
_RIDGE = 0.1


def fit_heads(
    expert: Expert, images: TrainingImages, train: npt.NDArray[np.int64], recipe: Recipe
) -> None:
    """Set the heads of `expert` to the best ones for the whole images `train`, unchanged.

    Classes weigh alike within a body part, `other_parts` as in training. Leaves the expert in
    evaluation mode; encoder and neck stay as they are. Deterministic.
    """
    expert.eval()
    everywhere_NC, looked_NC = _pooled(expert, images, train, recipe)
    part, abnormal = (torch.from_numpy(a[train]) for a in (images.part, images.abnormal))
    weight = class_weights(images.abnormal[train], images.part[train], len(recipe.body_parts))
    weight_P2, other = torch.from_numpy(weight).double(), recipe.loss.other_parts
    target = abnormal.double()
    _fit(expert.abnormal, looked_NC, lambda z: abnormal_loss(z, target, part, weight_P2, other))
    _fit(expert.body_part, everywhere_NC, lambda z: body_part_loss(z, part))
    if expert.finding is not None:
        known = torch.from_numpy(images.categories[train]).double()
        _fit(expert.finding, looked_NC, lambda z: finding_loss(z, known))


@torch.no_grad()
def _pooled(
    expert: Expert, images: TrainingImages, train: npt.NDArray[np.int64], recipe: Recipe
) -> tuple[Tensor, Tensor]:
    """(N, C) features pooled over everything and where the neck looks; double, on the CPU."""
    spec, device = recipe.input_spec, next(expert.parameters()).device
    found = []
    for start in range(0, len(train), _BATCH):
        chosen = train[start : start + _BATCH]
        pixels = as_float(torch.from_numpy(images.images[chosen])).to(device)
        found.append(expert.pool((pixels - spec.mean) / spec.std))
    everywhere, looked = zip(*found, strict=True)
    return torch.cat(everywhere).double().cpu(), torch.cat(looked).double().cpu()


def _fit(head: nn.Linear, features_NC: Tensor, loss_of: LossOf) -> None:
    """Minimise loss_of(logits) + ridge over the weights of `head`, on standardised features."""
    mean_C = features_NC.mean(0)
    deviation_C = features_NC.std(0, correction=0).clamp_min(1e-6)
    x_NC = (features_NC - mean_C) / deviation_C
    weight = torch.zeros(head.weight.shape, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(head.bias.shape, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, tolerance_grad=1e-8, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        solver.zero_grad()
        ridge = _RIDGE * weight.square().sum() / len(x_NC)
        loss = loss_of(x_NC @ weight.T + bias) + ridge
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        own = weight / deviation_C
        head.weight.copy_(own)
        head.bias.copy_(bias - own @ mean_C)
