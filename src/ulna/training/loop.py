"""The training loop of one expert, resumable bit for bit on any device that Fabric supports.

Everything random is a function of (seed, expert, epoch or step), so a checkpoint needs no generator
state, and a run killed at any step ends with the same weights as an uninterrupted one. Several
processes (`training.ranks`) share each batch and compute what a single one would.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning.fabric import Fabric
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ulna.config.codec import write_json
from ulna.config.recipe import ExpertConfig, InitialWeights
from ulna.errors import TrainingError
from ulna.models.expert import Expert
from ulna.models.initial import load_initial_weights
from ulna.training.arithmetic import adamw, clipped_step, computed_in, restore_scale, scale_state
from ulna.training.augment import as_float
from ulna.training.batches import Batches, search_due
from ulna.training.budget import TimeSpent, warn_if_cut
from ulna.training.checkpoint import (
    load_tensors,
    pack,
    pack_optimizer,
    save_tensors,
    unpack,
    unpack_optimizer,
)
from ulna.training.crops import effective_crop_share
from ulna.training.folder import CHECKPOINT, FINISHED
from ulna.training.heads import fit_heads
from ulna.training.learner import Learner, predict_abnormal
from ulna.training.log import write_log
from ulna.training.losses.classification import class_weights
from ulna.training.order import Shares, draw_epoch_with_unknown, draw_rates, source_shares
from ulna.training.parts import batch_size
from ulna.training.plan import Plan
from ulna.training.ranks.whole_batch import whole_batch
from ulna.training.schedule import first_free_stage, stage_rates
from ulna.training.score import study_auroc_score
from ulna.training.state import FitInput, FitState
from ulna.training.teacher.loss import distillation_loss


class ExpertFit:
    """Trains one expert and writes `weights.safetensors`, `log.csv` and `state.json`."""

    def __init__(self, fabric: Fabric, config: ExpertConfig, task: FitInput) -> None:
        self.fabric, self.config, self.task = fabric, config, task
        self.recipe, self.images, self.ranks = task.recipe, task.images, task.ranks
        self.ordinal = [e.name for e in self.recipe.experts].index(config.name)
        self.known_part = self._known_part()
        self.batch_size = batch_size(config, len(task.train))
        self.steps_per_epoch = len(task.train) // self.batch_size
        self.learner = self._learner()
        self.rates = stage_rates(config, len(self.learner.stages()))
        groups = [
            {"params": stage, "lr": rate, "peak": rate}
            for stage, rate in zip(self.learner.stages(), self.rates, strict=True)
        ]
        optimizer = adamw(groups, self.recipe.precision, config.learning_rate, config.weight_decay)
        self.module, self.optimizer = fabric.setup(self.learner, optimizer)
        self.average = self._average()
        self.state = FitState(epochs=config.epochs)
        self.best: dict[str, torch.Tensor] = {}
        self.cropped = False
        self.batches = Batches(
            self.images, self.recipe, config, fabric.device, self.ranks, task.answers
        )
        share = effective_crop_share(config, self.images, task.train)
        self.plan = Plan(config, self.recipe, task.minutes, share, self.steps_per_epoch)

    def _learner(self) -> Learner:
        torch.manual_seed(self._seed(0, 0))
        train, recipe = self.task.train, self.recipe
        weight = class_weights(
            self.images.abnormal[train],
            self.images.part[train],
            len(recipe.body_parts),
            draw_rates(self.images.abnormal[train] == 1, self._shares()),
        )
        # A checkpoint replaces the initial weights, which may have been deleted since.
        begun = self.ranks.decide((self.task.folder / CHECKPOINT).is_file)
        config = replace(self.config, initial=InitialWeights()) if begun else self.config
        expert = load_initial_weights(config, recipe)
        expert.to(memory_format=torch.channels_last)
        weight_P2, total = torch.from_numpy(weight), self.ranks.total
        distilled = distillation_loss(expert, self.task)
        return Learner(expert, recipe.loss, weight_P2, recipe.input_spec, total, distilled)

    def _known_part(self) -> npt.NDArray[np.int64]:
        """Return the training images of known body part, or all if unknown ones have no share."""
        train = self.task.train
        known = train[self.images.part[train] >= 0]
        return known if self.config.unknown_part_share and len(known) else train

    def _average(self) -> AveragedModel | None:
        if not self.config.ema_decay:
            return None
        rule = get_ema_multi_avg_fn(self.config.ema_decay)  # type: ignore[no-untyped-call]
        return AveragedModel(self.learner.expert, multi_avg_fn=rule, use_buffers=True)

    def _seed(self, *place: int) -> int:
        words = (self.recipe.seed, self.ordinal, *place)
        return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)

    # -- the loop ---------------------------------------------------------------------------

    def fit(self) -> None:
        """Train from the last checkpoint, or from the beginning, to the end."""
        self._resume()
        while not self.plan.ended(self.state):
            epoch = self.state.step // self.steps_per_epoch
            self._train_epoch(epoch)
            self._end_epoch(epoch)
        warn_if_cut(self.config, self.state.epochs, self.task.minutes)
        self._finish()

    def _train_epoch(self, epoch: int) -> None:
        self._choose_crops()
        started = time.monotonic()
        if self.cropped and search_due(self.config, self.state.step, self.steps_per_epoch):
            images = self.known_part
            normal = images[self.images.abnormal[images] == 0]
            self.batches.search(self.kept_expert(), normal)
        first_free = first_free_stage(self.config, epoch, len(self.rates))
        if self.plan.heads_only(self.state):
            first_free = len(self.rates) - 1
        self.module.train()
        self.learner.freeze_below(first_free)
        order_seed = np.random.SeedSequence((self.recipe.seed, self.ordinal, 1, epoch))
        order = self._order(order_seed)
        for position in range(self.state.step % self.steps_per_epoch, self.steps_per_epoch):
            chosen = order[position * self.batch_size : (position + 1) * self.batch_size]
            self._train_step(np.sort(chosen), first_free)
            now = time.monotonic()
            self.state.spent.add(now - started, self.cropped)
            started = now
            if self.plan.clock_due(self.state):
                self._fit_to_budget()
            # The last step of an epoch is saved with its score, so that no kill loses the score.
            within = position + 1 < self.steps_per_epoch
            if within and self.state.step % self.recipe.checkpoint_every == 0:
                self._save()

    def _order(self, seed: np.random.SeedSequence) -> npt.NDArray[np.int64]:
        train = self.task.train
        abnormal, unknown = self.images.abnormal[train] == 1, self.images.part[train] < 0
        return draw_epoch_with_unknown(train, abnormal, unknown, self._shares(), seed)

    def _shares(self) -> Shares:
        train, config = self.task.train, self.config
        unknown = config.unknown_part_share if len(self.known_part) < len(train) else 0.0
        source = self.images.source[train]
        of_source = source_shares(source, self.images.weight[train], config.source_balance)
        return Shares(config.abnormal_share, unknown, source, of_source)

    def _train_step(self, chosen: npt.NDArray[np.int64], first_free: int) -> None:
        factor = self.plan.rate_factor(self.state, self.cropped)
        for i, group in enumerate(self.optimizer.param_groups):
            group["lr"] = group["peak"] * factor if i >= first_free else 0.0
        batch = self.batches.draw(chosen, self.state.step, self.cropped)
        with whole_batch(self.ranks, len(chosen)):
            loss = self.module(batch)
        value = float(self.ranks.total(loss))
        if not np.isfinite(value):
            raise TrainingError(
                f"expert {self.config.name}: the loss became {value} at step {self.state.step}: "
                "lower learning_rate or use precision 32-true"
            )
        self.fabric.backward(loss)
        self.ranks.add_gradients(self.learner.parameters())
        label = f"expert {self.config.name}, step {self.state.step}"
        clipped_step(self.fabric, self.module, self.optimizer, label)
        if self.average is not None:
            self.average.update_parameters(self.learner.expert)
        self.state.step += 1
        self.state.loss_sum += value
        if self.task.progress:
            total = self.plan.steps(self.state)
            self.task.progress(f"train {self.config.name}", self.state.step, total)

    def _fit_to_budget(self) -> None:
        """Plan as many epochs as the clock of the first process allows."""
        self.state.epochs = self.ranks.decide(lambda: self.plan.affordable_epochs(self.state))

    def _choose_crops(self) -> None:
        """Decide whether this epoch trains on crops; after whole images, crops never return.

        Where only the heads learn on whole images, they start from the kept weights.
        """
        state = self.state
        self.cropped = self.plan.on_crops(state)
        if self.cropped or state.whole_from >= 0:
            return
        state.whole_from = state.step
        if self.plan.heads_only(state) and self.average is not None:
            self.learner.expert.load_state_dict(self.average.module.state_dict())

    # -- epochs, checkpoints, the end -------------------------------------------------------

    def kept_expert(self) -> Expert:
        """Return the expert to score and keep: the running mean of weights if there is one."""
        kept = self.learner.expert if self.average is None else self.average.module
        assert isinstance(kept, Expert)
        return kept

    def _end_epoch(self, epoch: int) -> None:
        """Score, log and save the epoch."""
        score = self.ranks.decide(self._score)
        row = {
            "epoch": epoch,
            "loss": self.state.loss_sum / self.steps_per_epoch,
            "tune_auroc": score,
            "seconds": round(self.state.spent.seconds, 2),
        }
        self.state.history.append(row)
        self.state.loss_sum = 0.0
        if self.recipe.patience and score >= self.state.best_score:
            self.state.best_score, self.state.best_epoch = score, epoch
            self.best = pack("best", self.kept_expert())
        self._save()
        if self.ranks.first:
            write_log(self.state.history, self.task.folder)

    def _score(self) -> float:
        expert, tune = self.kept_expert(), self.task.tune
        expert.eval()
        logits = []
        for start in range(0, len(tune), 64):
            chosen = tune[start : start + 64]
            pixels = as_float(torch.from_numpy(self.images.images[chosen])).to(self.fabric.device)
            part = torch.from_numpy(self.images.part[chosen]).to(self.fabric.device)
            with self.fabric.autocast():
                logit = predict_abnormal(expert, pixels, part, self.recipe.input_spec)
            logits.append(logit.double().cpu().numpy())
        return study_auroc_score(np.concatenate([np.empty(0), *logits]), self.images, tune)

    def _save(self) -> None:
        if not self.ranks.first:
            return
        tensors = {**pack("learner", self.learner), **pack_optimizer(self.optimizer), **self.best}
        tensors["hard"] = torch.from_numpy(self.batches.hard_negatives)
        if self.average is not None:
            tensors.update(pack("average", self.average))
        meta = {**asdict(self.state), "scale": scale_state(self.fabric)}
        save_tensors(tensors, meta, self.task.folder / CHECKPOINT)

    def _resume(self) -> None:
        path = self.task.folder / CHECKPOINT
        if not self.ranks.decide(path.is_file):
            return
        tensors, meta = load_tensors(path)
        unpack("learner", tensors, self.learner)
        unpack_optimizer(tensors, self.optimizer)
        if self.average is not None:
            unpack("average", tensors, self.average)
        self.best = {k: v for k, v in tensors.items() if k.startswith("best.")}
        self.batches.hard_negatives = tensors["hard"].numpy()
        restore_scale(self.fabric, meta.pop("scale", {}))
        self.state = FitState(**{**meta, "spent": TimeSpent(**meta["spent"])})

    def _finish(self) -> None:
        if not self.ranks.first:
            return
        expert = self.kept_expert()
        if self.best:
            unpack("best", self.best, expert)
        if self.config.fit_heads:
            fit_heads(expert, self.images, self.known_part, self.recipe, self.config)
        meta: dict[str, Any] = {"expert": self.config.name, "encoder": self.config.encoder}
        save_tensors(expert.state_dict(), meta, self.task.folder / "weights.safetensors")
        kept = self.state.best_epoch if self.best else len(self.state.history) - 1
        computed = computed_in(self.fabric, self.recipe.precision)
        summary = {"done": True, "kept_epoch": kept, **computed, **asdict(self.state)}
        summary.pop("best_score")
        write_json(summary, self.task.folder / FINISHED)
        (self.task.folder / CHECKPOINT).unlink(missing_ok=True)
