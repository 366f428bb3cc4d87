"""The batch of a training step: drawn, augmented and, in the crop epochs, cropped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ulna.config.meaning import ANY
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.models.expert import Expert
from ulna.training.augment import Crops, Rows, augment, draw_fill, draw_moves, warp_float
from ulna.training.cache import TrainingImages
from ulna.training.crops import CropSampling, draw_centres, label_crops
from ulna.training.hard_negatives import HARD_SIDE, find_hard_negatives
from ulna.training.learner import Batch
from ulna.training.losses.distillation import TeacherTargets
from ulna.training.ranks.group import Ranks
from ulna.training.teacher.answers import TeacherAnswers


def search_due(config: ExpertConfig, step: int, steps_per_epoch: int) -> bool:
    """Return whether hard negatives are searched before `step`, which begins every n-th epoch."""
    epoch, within = divmod(step, steps_per_epoch)
    return bool(
        config.hard_negatives_every
        and epoch
        and not within
        and epoch % config.hard_negatives_every == 0
    )


class Batches:
    """Batches for the training of one expert, each a function of (seed, expert, step).

    Every process draws random numbers for the whole batch and augments its own rows.

    answers: the teacher's, one for each of `images`, or None without a teacher. hard_negatives: (N,
    28, 28) uint8, where normal images look most abnormal (see `find_hard_negatives`), empty before
    the first search.
    """

    def __init__(
        self,
        images: TrainingImages,
        recipe: Recipe,
        config: ExpertConfig,
        device: torch.device,
        ranks: Ranks,
        answers: TeacherAnswers | None = None,
    ) -> None:
        self.images, self.recipe, self.config = images, recipe, config
        self.answers = answers
        self.ordinal = [e.name for e in recipe.experts].index(config.name)
        self.device, self.ranks = device, ranks
        self.hard_negatives = np.zeros((0, HARD_SIDE, HARD_SIDE), np.uint8)

    def search(self, expert: Expert, normal: npt.NDArray[np.int64]) -> None:
        """Find the hard negatives of the images `normal` with the current weights of the expert."""
        found = np.zeros((len(self.images.part), HARD_SIDE, HARD_SIDE), np.uint8)
        spec = self.recipe.input_spec
        found[normal] = self.ranks.decide(
            lambda: find_hard_negatives(expert, self.images, normal, spec)
        )
        self.hard_negatives = found

    def draw(self, chosen: npt.NDArray[np.int64], step: int, cropped: bool) -> Batch:
        """Return this process's rows of the batch `chosen`, augmented and (`cropped`) cropped."""
        images, rows = self.images, Rows(self.ranks.rows(len(chosen)), len(chosen))
        mine = chosen[rows.chosen]
        words = (self.recipe.seed, self.ordinal, 2, step, 0)
        rng = np.random.default_rng(np.random.SeedSequence(words))
        torch.manual_seed(int(rng.integers(2**62)))
        crops = self._crops(chosen, rng) if cropped else None
        changes = self.config.augmentation or self.recipe.augmentation
        fill = draw_fill(len(chosen), changes, rng) if changes.least_fill < 1 else None
        moves = draw_moves(len(chosen), changes, rng, fill)
        whole_masks = torch.from_numpy(images.masks[mine]).to(self.device)
        pixels, masks = augment(
            torch.from_numpy(images.images[mine]).to(self.device),
            whole_masks,
            changes,
            rng,
            crops,
            rows,
            moves,
        )
        labels = [images.has_mask, images.part, images.abnormal, images.categories]
        has_mask, part, abnormal, categories = (
            torch.from_numpy(a[mine]).to(self.device) for a in labels
        )
        targets = self._targets(mine, moves.theta_N23[torch.from_numpy(rows.chosen)])
        batch = Batch(pixels, masks, has_mask, part, abnormal, categories, targets)
        if crops is None:
            return batch
        means = self.recipe.abnormal_means
        marked = torch.tensor([means in (ANY, c) for c in self.recipe.categories]).bool()
        shrunk = None if fill is None else fill[rows.chosen]
        return label_crops(batch, whole_masks, shrunk, marked.to(self.device))

    def _targets(self, mine: npt.NDArray[np.int64], theta_B23: Tensor) -> TeacherTargets | None:
        """Return the teacher's answers for the images `mine`, their maps transformed alike."""
        if self.answers is None:
            return None
        rows = self.answers.take(mine)
        maps = torch.from_numpy(rows.map.astype(np.float32))[:, None]
        # Each cell of an enlarged image holds a smaller share of the logit.
        (a, b), (c, d) = theta_B23[:, :, :2].permute(1, 2, 0)
        area_B111 = (a * d - b * c).abs()[:, None, None, None]
        moved = warp_float(maps, theta_B23, maps.shape[-1]) * area_B111
        arrays = (rows.known, rows.logit, rows.body_part, rows.finding, rows.routing)
        tensors = [*map(torch.from_numpy, arrays), moved, torch.from_numpy(rows.bias)]
        return TeacherTargets(*(t.to(self.device) for t in tensors))

    def _crops(self, chosen: npt.NDArray[np.int64], rng: np.random.Generator) -> Crops:
        aim = CropSampling.of(self.config.crop_size, self.recipe.input_spec)
        hard_negatives = self.hard_negatives[chosen] if len(self.hard_negatives) else None
        images, masks = self.images.images[chosen], self.images.masks[chosen]
        return Crops(self.config.crop_size, draw_centres(images, masks, aim, rng, hard_negatives))
