"""Checkpoints as one safetensors file, without pickle, written completely or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ulna.atomic_file import write_atomic
from ulna.errors import TrainingError
from ulna.json_text import parse_json


def save_tensors(tensors: Mapping[str, Tensor], meta: Mapping[str, Any], path: Path) -> None:
    """Write to a temporary file, flush and rename, so that a kill leaves the old file intact."""
    whole = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    data = save(whole, metadata={"meta": json.dumps(meta)})
    write_atomic(path, data, durable=True)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and metadata that `save_tensors` wrote; TrainingError if damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = parse_json((file.metadata() or {})["meta"])
            return {k: file.get_tensor(k) for k in file.keys()}, meta  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError, OSError) as error:
        raise TrainingError(
            f"{path}: not a usable checkpoint ({error}): delete it to train this expert anew"
        ) from None


def pack(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Return copies of the module's state under `prefix.`; copies because training goes on."""
    return {f"{prefix}.{k}": v.detach().clone() for k, v in module.state_dict().items()}


def unpack(prefix: str, tensors: Mapping[str, Tensor], module: nn.Module) -> None:
    """Load the state that `pack` returned; every tensor must be there."""
    start = prefix + "."
    module.load_state_dict(
        {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
    )


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return moments and step counts as `optimizer.<parameter index>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {f"optimizer.{i}.{k}": v for i, values in state.items() for k, v in values.items()}


def unpack_optimizer(tensors: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    """Load what `pack_optimizer` returned; learning rates come from the schedule, not the file."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    # The fused step needs moments in the memory layout of their weights.
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
