"""The distillation loss: the distance of a student's outputs from its teacher's."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ulna.config.distillation import Distillation
from ulna.models.expert import ExpertOutput
from ulna.training.losses.total import Total, local_total


class TeacherTargets(NamedTuple):
    """A teacher's answers for B images, as in `teacher.TeacherAnswers`, on the device.

    map_B1hw: transformed like the images, in contributions to the logit. Its mean plus bias_B is
    the logit of the image, unless parts of it have left the frame.
    """

    known: Tensor
    logit_BP: Tensor
    body_part_BP: Tensor
    finding_BF: Tensor
    routing_BP: Tensor
    map_B1hw: Tensor
    bias_B: Tensor


class DistillationLoss:
    """The weighted sum of the terms of `Distillation`, without the hard labels.

    contrast: of the teacher's maps (`TeacherAnswers.contrast`) in logits, the unit of the map term.
    total: from `losses.total`. Every term is 0 where student and teacher agree.
    """

    def __init__(self, settings: Distillation, contrast: float, total: Total = local_total) -> None:
        self.settings, self.contrast, self.total = settings, contrast, total

    def __call__(self, out: ExpertOutput, bias_P: Tensor, taught: TeacherTargets) -> Tensor:
        """Return the loss of a batch, without images that have no answer (`known`)."""
        known, weights = taught.known, self.settings
        count = self.total(known.sum())
        loss = out.abnormal_BP.sum() * 0
        if not count:
            return loss
        terms = (
            (weights.logits, self.logits),
            (weights.body_part, self.body_part),
            (weights.finding, self.finding),
            (weights.map, self.map),
        )
        for weight, term in terms:
            if weight:
                loss = loss + weight * term(out, bias_P, taught)[known].sum() / count
        return loss

    def logits(self, out: ExpertOutput, _bias_P: Tensor, taught: TeacherTargets) -> Tensor:
        """Return (B,) binary divergence of the heads, with most weight on the image's body part."""
        others = self.settings.other_parts
        n = out.abnormal_BP.shape[1]
        share_BP = taught.routing_BP * (1 - others) + others / n
        divergence_BP = binary_divergence(
            out.abnormal_BP, taught.logit_BP, self.settings.temperature
        )
        return (divergence_BP * share_BP).sum(1)

    def body_part(self, out: ExpertOutput, _bias_P: Tensor, taught: TeacherTargets) -> Tensor:
        """Return (B,) divergence of the predicted body parts."""
        log_BP = functional.log_softmax(out.body_part_BP.float(), 1)
        return functional.kl_div(log_BP, taught.body_part_BP, reduction="none").sum(1)

    def finding(self, out: ExpertOutput, _bias_P: Tensor, taught: TeacherTargets) -> Tensor:
        """Return (B,) mean binary divergence of the categories, 0 without any."""
        if not out.finding_BF.shape[1]:
            return taught.bias_B * 0
        divergence = binary_divergence(out.finding_BF, taught.finding_BF, self.settings.temperature)
        return divergence.mean(1)

    def map(self, out: ExpertOutput, bias_P: Tensor, taught: TeacherTargets) -> Tensor:
        """Return (B,) mean Huber loss over the cells of the maps, in the teacher's contrast.

        On the coarser of both grids, each map with its bias, since a student may divide the logit
        differently. Huber (1964): the peaks of an attention must not outweigh all other cells.
        """
        student_Bhw = torch.einsum("bp,bphw->bhw", taught.routing_BP, out.cam_BPhw)
        student_Bhw = student_Bhw + (taught.routing_BP @ bias_P)[:, None, None]
        teacher_Bhw = taught.map_B1hw[:, 0] + taught.bias_B[:, None, None]
        (h, w), (h_teacher, w_teacher) = student_Bhw.shape[1:], teacher_Bhw.shape[1:]
        grid = (min(h, h_teacher), min(w, w_teacher))
        coarse = [functional.adaptive_avg_pool2d(m, grid) for m in (student_Bhw, teacher_Bhw)]
        one, other = (m / self.contrast for m in coarse)
        return functional.huber_loss(one, other, reduction="none").mean((1, 2))


def binary_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence of two probabilities, in the shape of the logits.

    Both are logits, divided by `temperature`; the result is multiplied by its square and 0 where
    both are equal. Gradients flow to `student` only.
    """
    bce = partial(functional.binary_cross_entropy_with_logits, reduction="none")
    teacher = teacher.detach() / temperature
    target = teacher.sigmoid()
    return (bce(student / temperature, target) - bce(teacher, target)) * temperature**2
