"""Settings of knowledge distillation: what a small student learns from a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ulna.config.bounds import Bounds, Share, check_fields, recorded

_Weight = Annotated[float, Bounds(0, 1_000)]


@dataclass(frozen=True)
class Distillation:
    """Weights of the terms by which a student learns from its teacher (docs/student.md).

    Without any of `logits`, `body_part`, `finding` and `map` there is no teacher.

    Attributes:
        logits: Weight of the abnormal logits of all body parts' heads, compared by the binary
            Kullback-Leibler divergence.
        other_parts: Share of that term that goes to the heads of all body parts alike; the rest
            goes to the head of the image's own body part.
        body_part: Weight of the Kullback-Leibler divergence over body parts.
        finding: Weight of the logits of the finding categories, compared like `logits`.
        map: Weight of the heat maps' cells, compared by the Huber loss in units of the teacher's
            contrast, under the same augmentation of the image.
        temperature: Divisor of abnormal and finding logits; the divergence is multiplied by its
            square (Hinton et al. 2015, Distilling the knowledge in a neural network, section 2).
            1 compares probabilities; large values tend to 1/8 of the squared logit difference.
        hard_labels: Weight of the image's own labels and masks, with all terms of `loss`.
    """

    logits: _Weight = 0.0
    other_parts: Share = 0.5
    body_part: _Weight = 0.0
    finding: _Weight = 0.0
    map: _Weight = 0.0
    temperature: Annotated[float, Bounds(0.1, 100)] = 2.0
    hard_labels: _Weight = 1.0

    def __post_init__(self) -> None:
        if recorded():
            return
        check_fields(self, "distillation")

    @property
    def requested(self) -> bool:
        """Whether any term uses a teacher."""
        return max(self.logits, self.body_part, self.finding, self.map) > 0
