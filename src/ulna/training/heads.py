"""Linear heads fitted to convergence on the pooled features of a trunk that has done learning.

With the trunk fixed the heads are logistic regressions, so there is one best answer and no
learning rate: L-BFGS (Liu and Nocedal 1989) on the losses of training, plus a ridge penalty.
The abnormal head also reads how strong the attention's evidence is, a single number that is
not penalised: a head that has little to learn from falls back to ranking images by it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ulna.config.recipe import ExpertConfig, Recipe
from ulna.models.expert import Expert, Pooled
from ulna.training.augment import as_float
from ulna.training.cache import TrainingImages
from ulna.training.losses.classification import (
    abnormal_loss,
    body_part_loss,
    class_weights,
    finding_loss,
)
from ulna.training.order import Shares, draw_rates, source_shares

LossOf = Callable[[Tensor], Tensor]
_BATCH = 16
_STEPS = 300
# Of the squared weights on standardised features, by the number of images: half of 1 / C with
# scikit-learn's C = 5.
_RIDGE = 0.1
# Features of images that the trunk has learned from are surer of what is abnormal than those of
# others, so a weak ridge trusts them too much (docs/decisions/012).
_RIDGE_ABNORMAL = 10.0
# In log odds; of an attention that has learned something it is above 1. Below this, images differ
# in evidence by little more than single precision tells, and its free weight would magnify that.
_LEAST_SPREAD = 0.05


def fit_heads(
    expert: Expert,
    images: TrainingImages,
    train: npt.NDArray[np.int64],
    recipe: Recipe,
    config: ExpertConfig | None = None,
) -> None:
    """Set the heads of `expert` to the best ones for the whole images `train`, unchanged.

    Classes weigh alike within a body part, `other_parts` as in training. config: by its
    `source_balance` and the sources' weights the images of several sources count as often as they
    are drawn in training (`head_rates`); without it all count alike. Leaves the expert in
    evaluation mode; encoder and neck stay as they are. Deterministic.
    """
    expert.eval()
    seen = _pooled(expert, images, train, recipe)
    part, abnormal = (torch.from_numpy(a[train]) for a in (images.part, images.abnormal))
    rates = None if config is None else head_rates(images, train, config)
    n_parts = len(recipe.body_parts)
    weight = class_weights(images.abnormal[train], images.part[train], n_parts, rates)
    weight_P2, other = torch.from_numpy(weight).double(), recipe.loss.other_parts
    target, counted = abnormal.double(), ~torch.isnan(abnormal)
    rate_N = _mean_one(rates, counted)

    def abnormal_of(logits: Tensor) -> Tensor:
        return abnormal_loss(logits, target, part, weight_P2, other, rate_B=rate_N)

    reported = expert.reads_evidence and bool(seen.evidence_B.std(correction=0) >= _LEAST_SPREAD)
    free_NK = seen.evidence_B[:, None] if reported else seen.attended_BC[:, :0]
    found_PK = _fit(expert.abnormal, seen.attended_BC, abnormal_of, _RIDGE_ABNORMAL, free_NK)
    if expert.reads_evidence:
        evidence_P = found_PK[:, 0] if reported else found_PK.new_zeros(len(found_PK))
        _set_evidence(expert, seen, evidence_P, abnormal == 0)
    _fit_others(expert, seen, part, torch.from_numpy(images.categories[train]).double(), rates)


def _fit_others(
    expert: Expert,
    seen: Pooled,
    part_N: Tensor,
    known_NF: Tensor,
    rates: npt.NDArray[np.float64] | None,
) -> None:
    """The heads of body parts and of findings."""
    rate_N = _mean_one(rates, part_N >= 0)
    _fit(
        expert.body_part,
        seen.everywhere_BC,
        lambda z: body_part_loss(z, part_N, rate_B=rate_N),
        _RIDGE,
    )
    if expert.finding is not None:
        found_N = _mean_one(rates, (~torch.isnan(known_NF)).any(1))
        _fit(
            expert.finding,
            seen.attended_BC,
            lambda z: finding_loss(z, known_NF, rate_B=found_N),
            _RIDGE,
        )


def head_rates(
    images: TrainingImages, train: npt.NDArray[np.int64], config: ExpertConfig
) -> npt.NDArray[np.float64] | None:
    """(N,) how much each of the images `train` counts for the heads; None: all alike.

    What an epoch of training draws: all images of a source together count (their number) ** (1 -
    source_balance) times its weight, and with abnormal_share the abnormal ones of every source
    have that share of it. None for one source, or where sources come as they are.
    """
    source = images.source[train]
    of_source = source_shares(source, images.weight[train], config.source_balance)
    if of_source is None:
        return None
    shares = Shares(config.abnormal_share, 0.0, source, of_source)
    return draw_rates(images.abnormal[train] == 1, shares)


def _mean_one(rates: npt.NDArray[np.float64] | None, counted: Tensor) -> Tensor | None:
    """The rates scaled to mean 1 over the images that a head learns from."""
    if rates is None or not counted.any():
        return None
    rate_N = torch.from_numpy(rates)
    return rate_N / rate_N[counted].mean()


@torch.no_grad()
def _set_evidence(expert: Expert, seen: Pooled, evidence_P: Tensor, normal: Tensor) -> None:
    """Weigh the evidence; the map of the mean normal image becomes zero, its logit the bias."""
    expert.evidence_P.copy_(evidence_P)
    weight_PC = expert.abnormal.weight.double().cpu()
    logit_NP = seen.attended_BC @ weight_PC.T + seen.evidence_B[:, None] * evidence_P
    origin_P = logit_NP[normal if normal.any() else ~normal].mean(0)
    expert.origin_P.copy_(origin_P)
    expert.abnormal.bias.copy_(expert.abnormal.bias.cpu() + origin_P)


@torch.no_grad()
def _pooled(
    expert: Expert, images: TrainingImages, train: npt.NDArray[np.int64], recipe: Recipe
) -> Pooled:
    """Of N whole images; double, on the CPU."""
    spec, device = recipe.input_spec, next(expert.parameters()).device
    result = []
    for start in range(0, len(train), _BATCH):
        chosen = train[start : start + _BATCH]
        pixels = as_float(torch.from_numpy(images.images[chosen])).to(device)
        result.append(expert.pool((pixels - spec.mean) / spec.std))
    return Pooled(*(torch.cat(one).double().cpu() for one in zip(*result, strict=True)))


def _fit(
    head: nn.Linear,
    features_NC: Tensor,
    loss_of: LossOf,
    ridge: float,
    free_NK: Tensor | None = None,
) -> Tensor:
    """Minimise loss_of(logits) + ridge * squared weights of `head` / N, on standardised features.

    free_NK: K features more whose weights are not penalised. Their weights, (outputs, K), are
    returned: `head` has no place for them.
    """
    free_NK = features_NC[:, :0] if free_NK is None else free_NK
    all_ND = torch.cat([features_NC, free_NK], 1)
    mean_D = all_ND.mean(0)
    deviation_D = all_ND.std(0, correction=0).clamp_min(1e-6)
    x_ND = (all_ND - mean_D) / deviation_D
    n = features_NC.shape[1]
    weight = torch.zeros(len(head.weight), x_ND.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(head.bias.shape, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, tolerance_grad=1e-8, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        solver.zero_grad()
        penalty = ridge * weight[:, :n].square().sum() / len(x_ND)
        loss = loss_of(x_ND @ weight.T + bias) + penalty
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        own = weight / deviation_D
        head.weight.copy_(own[:, :n])
        head.bias.copy_(bias - own @ mean_D)
        return own[:, n:]
