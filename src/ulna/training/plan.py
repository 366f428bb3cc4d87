"""The plan of steps and epochs: functions of the training state, so that a resume is exact."""

from __future__ import annotations

from dataclasses import dataclass

from ulna.config.recipe import ExpertConfig, Recipe
from ulna.training.budget import epochs_per_minute
from ulna.training.schedule import learning_rate_factor
from ulna.training.state import FitState

_TIMED_STEPS = 12
# Factor of the peak learning rate while only the heads learn, on whole images.
_SETTLING_RATE = 0.3


@dataclass(frozen=True)
class Plan:
    """The plan of one expert. crop_share: of its epochs. minutes: its budget, 0 for no limit."""

    config: ExpertConfig
    recipe: Recipe
    minutes: float
    crop_share: float
    steps_per_epoch: int

    def steps(self, state: FitState) -> int:
        """Return the number of steps of all epochs that are planned now."""
        return state.epochs * self.steps_per_epoch

    def crop_steps(self, state: FitState) -> int:
        """Return the steps on crops; unless the share is 1, the last epoch has whole images."""
        last = state.epochs - (self.crop_share < 1)
        return min(round(self.crop_share * state.epochs), last) * self.steps_per_epoch

    def on_crops(self, state: FitState) -> bool:
        """Return whether the next epoch trains on crops; after whole images, crops never return."""
        return state.whole_from < 0 and state.step < self.crop_steps(state)

    def heads_only(self, state: FitState) -> bool:
        """Return whether only neck and heads learn: on whole images, if so configured."""
        return state.whole_from > 0 and not self.config.train_encoder_on_whole

    def rate_factor(self, state: FitState, cropped: bool) -> float:
        """Return the factor of every stage's peak learning rate; `cropped`: on crops now."""
        steps = self.steps(state)
        if self.heads_only(state):
            done, left = state.step - state.whole_from, steps - state.whole_from
            return _SETTLING_RATE * learning_rate_factor(done, left)
        ending = not self.config.train_encoder_on_whole and cropped
        return learning_rate_factor(state.step, self.crop_steps(state) if ending else steps)

    def clock_due(self, state: FitState) -> bool:
        """Return whether to plan the epochs from the clock: after a few steps, then every epoch.

        A machine's speed changes, so the plan is repeated.
        """
        size = self.steps_per_epoch
        due = state.step == min(_TIMED_STEPS, size) or state.step % size == 0
        return bool(self.minutes) and due

    def affordable_epochs(self, state: FitState) -> int:
        """Return the number of epochs that the minutes allow at the speed so far."""
        side, size = self.recipe.input_spec.size, self.steps_per_epoch
        per_minute = epochs_per_minute(state.spent, self.config, self.crop_share, side, size)
        affordable = int(self.minutes * per_minute)
        return max(2, -(-state.step // size), min(self.config.epochs, affordable))

    def ended(self, state: FitState) -> bool:
        """Return whether all epochs are done, or the score has not risen within the patience."""
        if state.step >= self.steps(state):
            return True
        best, ended = state.best_epoch, len(state.history)
        return best >= 0 and 0 < self.recipe.patience <= ended - 1 - best
