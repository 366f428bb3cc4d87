"""Stages that never learn: weights and batch statistics are those of the start, to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.training.tiny import make_recipe

from ulna.config.recipe import ExpertConfig, InitialWeights
from ulna.models.encoder import build_encoder
from ulna.training import DataSource, train_run
from ulna.training.schedule import first_free_stage
from ulna.types import Study

State = dict[str, torch.Tensor]


def _trained(
    encoder: str, frozen: int, folder: Path, studies: Sequence[Study], average: float = 0.9
) -> tuple[State, State]:
    """The encoder's tensors before and after two epochs."""
    torch.set_num_threads(1)
    torch.manual_seed(4)
    body = build_encoder(encoder, 64).body
    start = {n: t + 3 if n.endswith("tracked") else t for n, t in body.state_dict().items()}
    save_file({n: t.contiguous() for n, t in start.items()}, folder / "start.safetensors")
    config = ExpertConfig(
        "e",
        encoder,
        initial=InitialWeights("file", str(folder / "start.safetensors")),
        epochs=2,
        batch_size=6,
        ema_decay=average,
        frozen_stages=frozen,
        weight_decay=0.3,
    )
    recipe = make_recipe(experts=(config,), patience=0)
    run = train_run(recipe, studies, folder / "run", DataSource("table"))
    weights = load_file(run / "experts/e/weights.safetensors")
    prefix = "encoder.body."
    own = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
    assert bool(weights["abnormal.weight"].abs().sum() > 0)
    return start, own


def _moved(before: State, after: State) -> set[str]:
    """Names of weights and statistics that differ by a bit; counts of batches left aside."""
    names = [n for n in before if not n.endswith("num_batches_tracked")]
    return {n for n in names if not torch.equal(before[n], after[n])}


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_frozen_stages_stay_to_the_bit_and_the_others_learn(
    average: float, tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    before, after = _trained("test_efficientnet", 2, tmp_path, tiny_studies, average)
    stages = build_encoder("test_efficientnet", 64).stages()
    frozen = {n for stage in stages[:2] for n in stage}
    # A batch norm's statistics have no place among the stages: theirs is that of its weight.
    frozen |= {n for n in before if n.rpartition(".")[0] + ".weight" in frozen and "running" in n}
    assert any("running_mean" in n for n in frozen)
    assert _moved(before, after) == set(before) - frozen - {
        n for n in before if n.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize("frozen", [-1, 0, 3])
def test_as_many_frozen_stages_as_there_are_or_more_leave_neck_and_heads(
    frozen: int, tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    """A number however large is no fault: it is the whole encoder."""
    n = len(build_encoder("cnn", 64).stages()) + frozen
    before, after = _trained("cnn", n, tmp_path, tiny_studies)
    assert bool(_moved(before, after)) == (frozen < 0)


def test_frozen_stages_hold_while_others_are_freed_from_the_top() -> None:
    def first(epochs: int, **settings: int) -> list[int]:
        config = ExpertConfig("e", "cnn", **settings)  # type: ignore[arg-type]
        return [first_free_stage(config, e, 6) for e in range(epochs)]

    assert first(3, frozen_stages=2) == [2, 2, 2]
    assert first(7, frozen_stages=2, unfreeze_every=1, frozen_epochs=1) == [5, 4, 3, 2, 2, 2, 2]
    assert first(3, frozen_stages=5) == first(3, frozen_stages=6) == [5, 5, 5]
    assert first(3, frozen_stages=1_000_000, frozen_epochs=1) == [5, 5, 5]
    assert first(3) == [0, 0, 0]
