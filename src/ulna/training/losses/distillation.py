"""What a student loses by not answering as its teacher does."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ulna.config.distillation import Distillation
from ulna.models.expert import ExpertOutput
from ulna.training.losses.total import Total, alone


class Taught(NamedTuple):
    """A teacher's answers on B images, as `teacher.TeacherAnswers` has them, on the device.

    map_B1hw: as the images were moved, in contributions to the logit: its mean plus bias_B is that
    of the image where nothing has left the frame.
    """

    known: Tensor
    logit_BP: Tensor
    body_part_BP: Tensor
    finding_BF: Tensor
    routing_BP: Tensor
    map_B1hw: Tensor
    bias_B: Tensor


class DistillationLoss:
    """The weighted sum of the terms of `Distillation` but for the hard labels.

    contrast: of the teacher's maps (`TeacherAnswers.contrast`), in logits: the unit of the map's
    term. total: of `losses.total`. Every term is 0 where student and teacher agree.
    """

    def __init__(self, settings: Distillation, contrast: float, total: Total = alone) -> None:
        self.settings, self.contrast, self.total = settings, contrast, total

    def __call__(self, out: ExpertOutput, bias_P: Tensor, taught: Taught) -> Tensor:
        """Of a batch; images without an answer (`known`) do not count."""
        known, wanted = taught.known, self.settings
        count = self.total(known.sum())
        loss = out.abnormal_BP.sum() * 0
        if not count:
            return loss
        terms = (
            (wanted.logits, self.logits),
            (wanted.body_part, self.body_part),
            (wanted.finding, self.finding),
            (wanted.map, self.map),
        )
        for weight, term in terms:
            if weight:
                loss = loss + weight * term(out, bias_P, taught)[known].sum() / count
        return loss

    def logits(self, out: ExpertOutput, _bias_P: Tensor, taught: Taught) -> Tensor:
        """(B,) binary divergence of the heads, the image's own weighing more than the others."""
        others = self.settings.other_parts
        n = out.abnormal_BP.shape[1]
        share_BP = taught.routing_BP * (1 - others) + others / n
        apart_BP = binary_divergence(out.abnormal_BP, taught.logit_BP, self.settings.temperature)
        return (apart_BP * share_BP).sum(1)

    def body_part(self, out: ExpertOutput, _bias_P: Tensor, taught: Taught) -> Tensor:
        """(B,) divergence of the recognised body part."""
        log_BP = functional.log_softmax(out.body_part_BP.float(), 1)
        return functional.kl_div(log_BP, taught.body_part_BP, reduction="none").sum(1)

    def finding(self, out: ExpertOutput, _bias_P: Tensor, taught: Taught) -> Tensor:
        """(B,) mean binary divergence of the categories; 0 without any."""
        if not out.finding_BF.shape[1]:
            return taught.bias_B * 0
        apart = binary_divergence(out.finding_BF, taught.finding_BF, self.settings.temperature)
        return apart.mean(1)

    def map(self, out: ExpertOutput, bias_P: Tensor, taught: Taught) -> Tensor:
        """(B,) mean over cells of Huber's loss of the maps, in units of the teacher's contrast.

        On the coarser of both grids; each with its own bias, since a student may share out
        between map and bias as it likes. Huber (1964): the peaks of an attention must not
        outweigh all other cells.
        """
        own_Bhw = torch.einsum("bp,bphw->bhw", taught.routing_BP, out.cam_BPhw)
        own_Bhw = own_Bhw + (taught.routing_BP @ bias_P)[:, None, None]
        wanted_Bhw = taught.map_B1hw[:, 0] + taught.bias_B[:, None, None]
        (h, w), (h_wanted, w_wanted) = own_Bhw.shape[1:], wanted_Bhw.shape[1:]
        grid = (min(h, h_wanted), min(w, w_wanted))
        coarse = [functional.adaptive_avg_pool2d(m, grid) for m in (own_Bhw, wanted_Bhw)]
        one, other = (m / self.contrast for m in coarse)
        return functional.huber_loss(one, other, reduction="none").mean((1, 2))


def binary_divergence(own: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of two probabilities given as logits / temperature, times its
    square; 0 where both are equal. Gradients flow to `own` alone."""
    wanted = wanted.detach() / temperature
    target = wanted.sigmoid()
    cross = functional.binary_cross_entropy_with_logits(own / temperature, target, reduction="none")
    least = functional.binary_cross_entropy_with_logits(wanted, target, reduction="none")
    return (cross - least) * temperature**2
