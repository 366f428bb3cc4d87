"""The training loop without labels, resumable bit for bit like the one with labels.

Everything random is a function of (seed, epoch or step), so a checkpoint needs no generator state,
and a run killed at any step ends with the same weights as an uninterrupted one.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from lightning.fabric import Fabric

from ulna.config.codec import write_json
from ulna.config.selfsupervision import SelfSupervision
from ulna.errors import TrainingError
from ulna.models.encoder import Encoder
from ulna.training.arithmetic import adamw, clipped_step, computed_in, restore_scale, scale_state
from ulna.training.cache_folder import Progress
from ulna.training.checkpoint import (
    load_tensors,
    pack,
    pack_optimizer,
    save_tensors,
    unpack,
    unpack_optimizer,
)
from ulna.training.folder import CHECKPOINT
from ulna.training.log import write_log
from ulna.training.schedule import learning_rate_factor
from ulna.training.selfsupervised.learner import SelfSupervisedLearner, Terms
from ulna.training.selfsupervised.views import Views, draw_views

_TIMED_STEPS = 12
# Standard deviation below which features have collapsed: the same everywhere.
_COLLAPSED = 1e-4
SUMMARY = "selfsupervision.json"


@dataclass
class FitState:
    """State of the training, stored in the checkpoint as JSON.

    steps: planned in total. sums: of each of `Terms` over the epoch's steps so far.
    """

    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


class SelfSupervisedFit:
    """Trains an encoder on (N, F, F) uint8 images; writes weights, log, summary to `folder`."""

    def __init__(
        self,
        fabric: Fabric,
        settings: SelfSupervision,
        encoder: Encoder,
        images: npt.NDArray[np.uint8],
        folder: Path,
    ) -> None:
        self.fabric, self.settings, self.images, self.folder = fabric, settings, images, folder
        self.batch_size = min(settings.batch_size, len(images))
        if self.batch_size < 2:
            raise TrainingError(f"{len(images)} radiograph to learn from: expected at least 2")
        self.steps_per_epoch = len(images) // self.batch_size
        torch.manual_seed(settings.seed)
        self.learner = SelfSupervisedLearner(encoder, settings)
        self.learner.to(memory_format=torch.channels_last)
        optimizer = adamw(
            self.learner.parameters(),
            settings.precision,
            settings.learning_rate,
            settings.weight_decay,
        )
        self.module, self.optimizer = fabric.setup(self.learner, optimizer)
        self.state = FitState(steps=settings.epochs * self.steps_per_epoch)

    def fit(self, progress: Progress | None = None) -> None:
        """Train from the last checkpoint, or from the beginning, to the end."""
        self._resume()
        self.module.train()
        state = self.state
        while state.step < state.steps:
            started = time.monotonic()
            self._step()
            state.seconds += time.monotonic() - started
            self._fit_to_budget()
            if progress:
                progress(f"learn {self.settings.name}", state.step, state.steps)
            ended = state.step % self.steps_per_epoch == 0 or state.step >= state.steps
            if ended:
                self._end_epoch()
            if ended or state.step % self.settings.checkpoint_every == 0:
                self._save()
        self._finish()

    def _step(self) -> None:
        factor = learning_rate_factor(self.state.step, self.state.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * factor
        terms: Terms = self.module(self._views(self.state.step))
        value = float(terms.loss.detach())
        if not np.isfinite(value):
            raise TrainingError(
                f"{self.settings.name}: the loss became {value} at step {self.state.step}: "
                "lower learning_rate or use precision 32-true"
            )
        self.fabric.backward(terms.loss)
        label = f"{self.settings.name}, step {self.state.step}"
        clipped_step(self.fabric, self.module, self.optimizer, label)
        self.state.step += 1
        for name, term in terms._asdict().items():
            self.state.sums[name] = self.state.sums.get(name, 0.0) + float(term.detach())

    def _views(self, step: int) -> Views:
        epoch, position = divmod(step, self.steps_per_epoch)
        seed = self.settings.seed
        order = np.random.default_rng((seed, 1, epoch)).permutation(len(self.images))
        chosen = np.sort(order[position * self.batch_size : (position + 1) * self.batch_size])
        rng = np.random.default_rng((seed, 2, step))
        torch.manual_seed(int(rng.integers(2**62)))
        views = draw_views(np.ascontiguousarray(self.images[chosen]), self.settings, rng)
        return Views(*(v.to(self.fabric.device) for v in views))

    def _fit_to_budget(self) -> None:
        """Plan as many steps as the minutes allow at the speed seen so far."""
        state, size = self.state, self.steps_per_epoch
        if not self.settings.minutes or (state.step != _TIMED_STEPS and state.step % size):
            return
        affordable = int(self.settings.minutes * 60 * state.step / state.seconds)
        state.steps = max(state.step, min(self.settings.epochs * size, affordable))

    def _end_epoch(self) -> None:
        state = self.state
        done = (state.step - 1) % self.steps_per_epoch + 1
        means = {name: total / done for name, total in state.sums.items()}
        state.history.append(
            {
                "epoch": (state.step - 1) // self.steps_per_epoch,
                **means,
                "seconds": round(state.seconds, 2),
            }
        )
        state.sums = {}
        write_log(state.history, self.folder)
        if means["feature_std"] < _COLLAPSED:
            raise TrainingError(
                f"{self.settings.name}: the features collapsed (standard deviation "
                f"{means['feature_std']:.1e}): lower learning_rate, or use more varied images"
            )

    def _save(self) -> None:
        tensors = {**pack("learner", self.learner), **pack_optimizer(self.optimizer)}
        meta = {**asdict(self.state), "scale": scale_state(self.fabric)}
        save_tensors(tensors, meta, self.folder / CHECKPOINT)

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        tensors, meta = load_tensors(path)
        unpack("learner", tensors, self.learner)
        unpack_optimizer(tensors, self.optimizer)
        restore_scale(self.fabric, meta.pop("scale", {}))
        self.state = FitState(**meta)

    def _finish(self) -> None:
        weights = {f"encoder.{k}": v for k, v in self.learner.encoder.state_dict().items()}
        meta = {"expert": self.settings.name, "encoder": self.settings.encoder}
        save_tensors(weights, meta, self.folder / "weights.safetensors")
        computed = computed_in(self.fabric, self.settings.precision)
        write_json({"done": True, **computed, **asdict(self.state)}, self.folder / SUMMARY)
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
