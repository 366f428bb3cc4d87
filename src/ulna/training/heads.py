"""Linear heads fitted to convergence on the pooled features of a trained encoder.

With a fixed encoder the heads are logistic regressions, so there is one optimum and no learning
rate: L-BFGS (Liu and Nocedal 1989) on the training losses plus a ridge penalty. The abnormal head
also reads the attention's evidence, a single number that is not penalised. A head with too few data
falls back to ranking images by it.
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

_LossOf = Callable[[Tensor], Tensor]
_BATCH = 16
_STEPS = 300
# Factor of the squared weights on standardised features, divided by the number of images: half of
# 1 / C with scikit-learn's C = 5.
_RIDGE = 0.1
# Features separate the encoder's own training images better than new ones, so a weak ridge
# overfits (docs/decisions/012).
_RIDGE_ABNORMAL = 10.0
# Standard deviation of the evidence in log odds, above 1 for a trained attention. Below this
# limit images differ by little more than rounding errors, which a free weight would magnify.
_LEAST_SPREAD = 0.05


def fit_heads(
    expert: Expert,
    images: TrainingImages,
    train: npt.NDArray[np.int64],
    recipe: Recipe,
    config: ExpertConfig | None = None,
) -> None:
    """Fit the heads of `expert` on the images `train`, whole and without augmentation.

    Classes have equal weight within a body part, `other_parts` as in training. config: with its
    `source_balance` and the weights of the sources, images of several sources count as often as
    training draws them (`head_rates`). If it is None, all count equally. Leaves the expert in
    evaluation mode, encoder and neck unchanged. Deterministic.
    """
    expert.eval()
    pooled = _pooled(expert, images, train, recipe)
    part, abnormal = (torch.from_numpy(a[train]) for a in (images.part, images.abnormal))
    rates = None if config is None else head_rates(images, train, config)
    n_parts = len(recipe.body_parts)
    weight = class_weights(images.abnormal[train], images.part[train], n_parts, rates)
    weight_P2, other = torch.from_numpy(weight).double(), recipe.loss.other_parts
    target, counted = abnormal.double(), ~torch.isnan(abnormal)
    rate_N = _mean_one(rates, counted)

    def abnormal_of(logits: Tensor) -> Tensor:
        return abnormal_loss(logits, target, part, weight_P2, other, rate_B=rate_N)

    use_evidence = expert.reads_evidence and bool(
        pooled.evidence_B.std(correction=0) >= _LEAST_SPREAD
    )
    free_NK = pooled.evidence_B[:, None] if use_evidence else pooled.attended_BC[:, :0]
    weight_PK = _fit(expert.abnormal, pooled.attended_BC, abnormal_of, _RIDGE_ABNORMAL, free_NK)
    if expert.reads_evidence:
        evidence_P = weight_PK[:, 0] if use_evidence else weight_PK.new_zeros(len(weight_PK))
        _set_evidence(expert, pooled, evidence_P, abnormal == 0)
    _fit_others(expert, pooled, part, torch.from_numpy(images.categories[train]).double(), rates)


def _fit_others(
    expert: Expert,
    pooled: Pooled,
    part_N: Tensor,
    known_NF: Tensor,
    rates: npt.NDArray[np.float64] | None,
) -> None:
    """Fit the heads of body parts and of findings."""
    rate_N = _mean_one(rates, part_N >= 0)
    _fit(
        expert.body_part,
        pooled.everywhere_BC,
        lambda z: body_part_loss(z, part_N, rate_B=rate_N),
        _RIDGE,
    )
    if expert.finding is not None:
        rate_N = _mean_one(rates, (~torch.isnan(known_NF)).any(1))
        _fit(
            expert.finding,
            pooled.attended_BC,
            lambda z: finding_loss(z, known_NF, rate_B=rate_N),
            _RIDGE,
        )


def head_rates(
    images: TrainingImages, train: npt.NDArray[np.int64], config: ExpertConfig
) -> npt.NDArray[np.float64] | None:
    """Return (N,) how much each of the images `train` counts for the heads; None: equally.

    The rates are those of an epoch: all images of a source count (their number) ** (1 -
    source_balance) times its weight, and with abnormal_share the abnormal images of every source
    have that share of it. None for one source, or where sources are not balanced.
    """
    source = images.source[train]
    of_source = source_shares(source, images.weight[train], config.source_balance)
    if of_source is None:
        return None
    shares = Shares(config.abnormal_share, 0.0, source, of_source)
    return draw_rates(images.abnormal[train] == 1, shares)


def _mean_one(rates: npt.NDArray[np.float64] | None, counted: Tensor) -> Tensor | None:
    """Scale the rates to mean 1 over the images that a head learns from."""
    if rates is None or not counted.any():
        return None
    rate_N = torch.from_numpy(rates)
    return rate_N / rate_N[counted].mean()


@torch.no_grad()
def _set_evidence(expert: Expert, pooled: Pooled, evidence_P: Tensor, normal: Tensor) -> None:
    """Set the weight of the evidence so that the mean normal image has the map zero.

    Its logit becomes the bias.
    """
    expert.evidence_P.copy_(evidence_P)
    weight_PC = expert.abnormal.weight.double().cpu()
    logit_NP = pooled.attended_BC @ weight_PC.T + pooled.evidence_B[:, None] * evidence_P
    origin_P = logit_NP[normal if normal.any() else ~normal].mean(0)
    expert.origin_P.copy_(origin_P)
    expert.abnormal.bias.copy_(expert.abnormal.bias.cpu() + origin_P)


@torch.no_grad()
def _pooled(
    expert: Expert, images: TrainingImages, train: npt.NDArray[np.int64], recipe: Recipe
) -> Pooled:
    """Return the pooled features of N whole images, in double precision on the CPU."""
    spec, device = recipe.input_spec, next(expert.parameters()).device
    batches = []
    for start in range(0, len(train), _BATCH):
        chosen = train[start : start + _BATCH]
        pixels = as_float(torch.from_numpy(images.images[chosen])).to(device)
        batches.append(expert.pool((pixels - spec.mean) / spec.std))
    return Pooled(*(torch.cat(one).double().cpu() for one in zip(*batches, strict=True)))


def _fit(
    head: nn.Linear,
    features_NC: Tensor,
    loss_of: _LossOf,
    ridge: float,
    free_NK: Tensor | None = None,
) -> Tensor:
    """Minimise loss_of(logits) + ridge * squared weights of `head` / N on standardised features.

    free_NK: K further features whose weights are not penalised. Their weights (outputs, K) are
    returned, since `head` has no place for them.
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
        raw = weight / deviation_D  # for features that are not standardised
        head.weight.copy_(raw[:, :n])
        head.bias.copy_(bias - raw @ mean_D)
        return raw[:, n:]
