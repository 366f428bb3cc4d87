"""Checkpoints: a round trip changes nothing, damage is an error, a kill leaves the old file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ulna.errors import TrainingError
from ulna.training.checkpoint import (
    load_tensors,
    pack,
    pack_optimizer,
    save_tensors,
    unpack,
    unpack_optimizer,
)


def _trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    for _ in range(3):
        module(torch.randn(8, 3)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return module, optimizer


def test_round_trip_of_module_and_optimizer(tmp_path: Path) -> None:
    module, optimizer = _trained()
    path = tmp_path / "c.safetensors"
    save_tensors({**pack("m", module), **pack_optimizer(optimizer)}, {"step": 3}, path)
    tensors, meta = load_tensors(path)
    assert meta == {"step": 3}
    fresh, blank = _trained()
    unpack("m", tensors, fresh)
    unpack_optimizer(tensors, blank)
    x = torch.randn(8, 3)
    for net, rule in ((module, optimizer), (fresh, blank)):
        net(x).square().mean().backward()
        rule.step()
    for mine, theirs in zip(module.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_damaged_checkpoint_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_tensors({"a": torch.zeros(100)}, {}, path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(TrainingError, match="delete it"):
        load_tensors(path)


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_tensors({"a": torch.zeros(1)}, {"n": 1}, path)
    (tmp_path / "c.safetensors.partial").write_bytes(b"half of the next one")
    assert load_tensors(path)[1] == {"n": 1}
