"""Learning rates and frozen stages as functions of step and epoch, so that a resume is exact."""

from __future__ import annotations

import math

from ulna.config.recipe import ExpertConfig


def learning_rate_factor(step: int, steps: int, warmup: float = 0.1) -> float:
    """Return linear warm-up over the share `warmup` of all steps, then cosine decay to 1 %."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def first_free_stage(config: ExpertConfig, epoch: int, n_stages: int) -> int:
    """Return the index of the lowest stage that learns in `epoch`, with all stages above it.

    n_stages counts neck and heads as the last stage, which always learns (Howard & Ruder 2018,
    gradual unfreezing). The first `frozen_stages` never learn.
    """
    heads = n_stages - 1
    if epoch < config.frozen_epochs:
        return heads
    least = min(config.frozen_stages, heads)
    if config.unfreeze_every == 0:
        return least
    freed = 1 + (epoch - config.frozen_epochs) // config.unfreeze_every
    return max(least, heads - freed)


def stage_rates(config: ExpertConfig, n_stages: int) -> list[float]:
    """Return the peak learning rate of each stage: `layer_decay` per stage below the heads."""
    return [
        config.learning_rate * config.layer_decay ** (n_stages - 1 - i) for i in range(n_stages)
    ]
