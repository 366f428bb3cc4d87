"""What a step or an epoch is to be: functions of where the training stands (so resume is exact)."""

from __future__ import annotations

from dataclasses import dataclass

from ulna.config.recipe import ExpertConfig, Recipe
from ulna.training.budget import epochs_per_minute
from ulna.training.schedule import learning_rate_factor
from ulna.training.state import FitState

_TIMED_STEPS = 12
# Peak rate of heads that learn alone on whole images, of the config's: they only settle.
_SETTLING_RATE = 0.3


@dataclass(frozen=True)
class Plan:
    """Of one expert. crop_share: of its epochs, on windows. minutes: of its own, 0 for no end."""

    config: ExpertConfig
    recipe: Recipe
    minutes: float
    crop_share: float
    steps_per_epoch: int

    def steps(self, state: FitState) -> int:
        """Of all epochs that are planned now."""
        return state.epochs * self.steps_per_epoch

    def window_steps(self, state: FitState) -> int:
        """Steps on windows; but for a share of 1 the last epoch at least is on whole images."""
        last = state.epochs - (self.crop_share < 1)
        return min(round(self.crop_share * state.epochs), last) * self.steps_per_epoch

    def on_crops(self, state: FitState) -> bool:
        """Whether the epoch that begins trains on windows; from whole images there is no return."""
        return state.whole_from < 0 and state.step < self.window_steps(state)

    def heads_only(self, state: FitState) -> bool:
        """Whether only neck and heads learn now: on whole images after windows, if so wished."""
        return state.whole_from > 0 and not self.config.train_encoder_on_whole

    def rate_factor(self, state: FitState, cropped: bool) -> float:
        """Of every stage's peak learning rate; `cropped`: on windows now."""
        steps = self.steps(state)
        if self.heads_only(state):
            done, left = state.step - state.whole_from, steps - state.whole_from
            return _SETTLING_RATE * learning_rate_factor(done, left)
        ending = not self.config.train_encoder_on_whole and cropped
        return learning_rate_factor(state.step, self.window_steps(state) if ending else steps)

    def clock_due(self, state: FitState) -> bool:
        """Whether epochs are fitted to the minutes now: first after a few steps, then at the end of
        every epoch, since a machine's speed changes."""
        size = self.steps_per_epoch
        due = state.step == min(_TIMED_STEPS, size) or state.step % size == 0
        return bool(self.minutes) and due

    def affordable_epochs(self, state: FitState) -> int:
        """As many epochs as the minutes allow at the speed seen so far."""
        side, size = self.recipe.input_spec.size, self.steps_per_epoch
        a_minute = epochs_per_minute(state.spent, self.config, self.crop_share, side, size)
        affordable = int(self.minutes * a_minute)
        return max(2, -(-state.step // size), min(self.config.epochs, affordable))

    def ended(self, state: FitState) -> bool:
        """Whether all epochs are done, or the score has not risen for as many as the recipe has
        patience for."""
        if state.step >= self.steps(state):
            return True
        best, ended = state.best_epoch, len(state.history)
        return best >= 0 and 0 < self.recipe.patience <= ended - 1 - best
