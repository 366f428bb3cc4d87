"""A step's images: drawn, changed and, in the window epochs, cut out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ulna.config.meaning import ANY
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.models.expert import Expert
from ulna.training.augment import Rows, Windows, augment, draw_fill
from ulna.training.cache import TrainingImages
from ulna.training.crops import Aim, draw_centres, label_windows
from ulna.training.hard import HARD_SIDE, find_hard
from ulna.training.learner import Batch
from ulna.training.ranks.group import Ranks


def search_due(config: ExpertConfig, step: int, steps_per_epoch: int) -> bool:
    """Whether hard places are looked for before this step: at the start of every n-th epoch."""
    epoch, within = divmod(step, steps_per_epoch)
    return bool(config.hard_every and epoch and not within and epoch % config.hard_every == 0)


class Batches:
    """Batches of one expert's training; each is a function of (seed, expert, step).

    Every process draws for the whole batch and changes its own rows.

    hard: (N, 28, 28) uint8, where normal images look most abnormal (see `find_hard`); empty
    until they have been searched.
    """

    def __init__(
        self,
        images: TrainingImages,
        recipe: Recipe,
        config: ExpertConfig,
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        self.images, self.recipe, self.config = images, recipe, config
        self.ordinal = [e.name for e in recipe.experts].index(config.name)
        self.device, self.ranks = device, ranks
        self.hard = np.zeros((0, HARD_SIDE, HARD_SIDE), np.uint8)

    def search(self, expert: Expert, normal: npt.NDArray[np.int64]) -> None:
        """Find the hard places of the images `normal`, as the expert sees them now."""
        found = np.zeros((len(self.images.part), HARD_SIDE, HARD_SIDE), np.uint8)
        spec = self.recipe.input_spec
        found[normal] = self.ranks.decide(lambda: find_hard(expert, self.images, normal, spec))
        self.hard = found

    def draw(self, chosen: npt.NDArray[np.int64], step: int, cropped: bool) -> Batch:
        """Of the images `chosen` this process's rows, changed; `cropped`: a window of each."""
        images, rows = self.images, Rows(self.ranks.rows(len(chosen)), len(chosen))
        mine = chosen[rows.own]
        words = (self.recipe.seed, self.ordinal, 2, step, 0)
        rng = np.random.default_rng(np.random.SeedSequence(words))
        torch.manual_seed(int(rng.integers(2**62)))
        windows = self._windows(chosen, rng) if cropped else None
        changes = self.config.augmentation or self.recipe.augmentation
        fill = draw_fill(len(chosen), changes, rng) if changes.least_fill < 1 else None
        whole_masks = torch.from_numpy(images.masks[mine]).to(self.device)
        pixels, masks = augment(
            torch.from_numpy(images.images[mine]).to(self.device),
            whole_masks,
            changes,
            rng,
            windows,
            rows,
            fill,
        )
        labels = [images.has_mask, images.part, images.abnormal, images.categories]
        known = (torch.from_numpy(a[mine]).to(self.device) for a in labels)
        batch = Batch(pixels, masks, *known)
        if windows is None:
            return batch
        means, categories = self.recipe.abnormal_means, self.recipe.categories
        marked = torch.tensor([means in (ANY, c) for c in categories], dtype=torch.bool)
        shrunk = None if fill is None else fill[rows.own]
        return label_windows(batch, whole_masks, shrunk, marked.to(self.device))

    def _windows(self, chosen: npt.NDArray[np.int64], rng: np.random.Generator) -> Windows:
        aim = Aim.of(self.config.crop_size, self.recipe.input_spec)
        hard = self.hard[chosen] if len(self.hard) else None
        images, masks = self.images.images[chosen], self.images.masks[chosen]
        return Windows(self.config.crop_size, draw_centres(images, masks, aim, rng, hard))
