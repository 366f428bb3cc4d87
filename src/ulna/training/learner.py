"""The module that is trained: an expert and its loss, in one forward pass."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import LossWeights
from ulna.models.expert import Expert, ExpertOutput
from ulna.training.losses.attention import attention_loss
from ulna.training.losses.classification import abnormal_loss, body_part_loss, finding_loss
from ulna.training.losses.distillation import DistillationLoss, TeacherTargets
from ulna.training.losses.map import MapLoss
from ulna.training.losses.total import Total, local_total


class Batch(NamedTuple):
    """B images: pixels (B, 1, S, S) in [0, 1], masks (B, 1, m, m) in [0, 1], labels.

    taught: the teacher's answers, or None without a teacher.
    """

    pixels: Tensor
    masks: Tensor
    has_mask: Tensor
    part: Tensor
    abnormal: Tensor
    categories: Tensor
    taught: TeacherTargets | None = None


class Learner(nn.Module):
    """Expert plus loss terms; forward returns this process's share of the whole batch's loss.

    distilled: the distillation loss, with which the labels have the weight `hard_labels`.
    """

    class_weight_P2: Tensor

    def __init__(
        self,
        expert: Expert,
        weights: LossWeights,
        class_weight_P2: Tensor,
        spec: InputSpec,
        total: Total = local_total,
        distilled: DistillationLoss | None = None,
    ) -> None:
        super().__init__()
        self.expert, self.distilled = expert, distilled
        self.map_loss = MapLoss(total) if weights.map else None
        self.weights, self.total = weights, total
        self.mean, self.std = spec.mean, spec.std
        self.register_buffer("class_weight_P2", class_weight_P2)

    def forward(self, batch: Batch) -> Tensor:
        out = self.expert((batch.pixels - self.mean) / self.std)
        if self.distilled is None or batch.taught is None:
            return self._labelled(out, batch)
        loss = self.distilled(out, self.expert.bias_P, batch.taught)
        return loss + self.distilled.settings.hard_labels * self._labelled(out, batch)

    def _labelled(self, out: ExpertOutput, batch: Batch) -> Tensor:
        """Return the loss of the images' labels and masks."""
        weight_P2, other_parts = self.class_weight_P2, self.weights.other_parts
        labels = (batch.abnormal, batch.part)
        loss = abnormal_loss(out.abnormal_BP, *labels, weight_P2, other_parts, self.total)
        term = body_part_loss(out.body_part_BP, batch.part, self.total)
        loss = loss + self.weights.body_part * term
        if out.finding_BF.shape[1]:
            term = finding_loss(out.finding_BF, batch.categories, self.total)
            loss = loss + self.weights.finding * term
        if self.weights.attention and out.attention_BAhw.shape[1]:
            term = attention_loss(out.attention_BAhw, batch.masks, batch.has_mask, self.total)
            loss = loss + self.weights.attention * term
        if self.map_loss is not None:
            term = self.map_loss(out.cam_BPhw, batch.masks, batch.has_mask, batch.part)
            loss = loss + self.weights.map * term
        return loss

    def stages(self) -> list[list[nn.Parameter]]:
        """Return stages from the input up; the loss's own scalars learn with the heads."""
        stages = self.expert.stages()
        if self.map_loss is not None:
            stages[-1] = stages[-1] + list(self.map_loss.parameters())
        return stages

    def freeze_below(self, first_free: int) -> None:
        """Freeze weights and batch statistics of the stages below `first_free`."""
        stages = self.stages()
        frozen = {id(p) for stage in stages[:first_free] for p in stage}
        for p in self.parameters():
            p.requires_grad_(id(p) not in frozen)
        for module in self.expert.encoder.modules():
            direct = list(module.parameters(recurse=False))
            if direct and all(id(p) in frozen for p in direct):
                module.eval()


@torch.inference_mode()
def predict_abnormal(
    expert: Expert, pixels_B1HW: Tensor, part_B: Tensor, spec: InputSpec
) -> Tensor:
    """Return (B,) abnormal logits of each image's body part, or the mean of all if unknown."""
    out = expert((pixels_B1HW - spec.mean) / spec.std)
    chosen = out.abnormal_BP.gather(1, part_B.clamp_min(0)[:, None])[:, 0]
    return torch.where(part_B >= 0, chosen, out.abnormal_BP.mean(1))
