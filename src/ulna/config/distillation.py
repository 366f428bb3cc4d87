"""How a small student is taught by a bundle: the weights of what it learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ulna.config.bounds import Bounds, Share, check_fields, recorded

_Weight = Annotated[float, Bounds(0, 1_000)]


@dataclass(frozen=True)
class Distillation:
    """Weights of what a student learns from its teacher (docs/student.md); all 0: no teacher.

    logits: the abnormal logits of every body part's head, as binary Kullback-Leibler divergence.
    other_parts: share of it that goes to the heads of all body parts alike and not to the image's
    own. finding: the same for the categories; body_part: the divergence over body parts. map: the
    heat map cell by cell, in units of the teacher's own contrast, under the same change of the
    image. temperature: abnormal and finding logits are divided by it and the divergence multiplied
    by its square (Hinton et al. 2015, Distilling the knowledge in a neural network, section 2):
    1 compares probabilities, a large one tends to an eighth of the squared difference of logits.
    hard_labels: of the image's own labels and masks, with all terms that the recipe's `loss`
    weighs.
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
        """Whether anything is learned from a teacher."""
        return max(self.logits, self.body_part, self.finding, self.map) > 0
