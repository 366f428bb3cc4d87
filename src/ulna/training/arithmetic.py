"""Training in exactly the arithmetic that was asked for, on whatever device this process has.

Lightning's Fabric replaces float16 by bfloat16 on a CPU; torch computes float16 there as well, so
the run that another machine began in float16 goes on in float16 here. Gradients of float16 are
scaled so that small ones do not vanish (Micikevicius et al. 2018, Mixed precision training,
section 3.2); the scale is part of a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision
from lightning.fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import nn

from ulna.config.recipe import Precision
from ulna.errors import ConfigError, TrainingError
from ulna.models.threads import within_the_machine

_LARGEST_NORM = 5.0
# Halved at every overflow from 65,536: here the gradients themselves do not fit into float16.
_LEAST_SCALE = 2.0**-10


def start_fabric(precision: Precision, devices: list[int] | int = 1) -> Fabric:
    """Fabric on the best device of this machine, computing in `precision` and no other.

    Torch then has no more threads than this process may use.
    Raises ConfigError for 'auto', which `training.precision.with_precision` settles.
    """
    if precision == "auto":
        raise ConfigError("precision 'auto' names no arithmetic: settle it by `with_precision`")
    within_the_machine()
    if precision == "32-true":
        return Fabric(devices=devices, accelerator="auto", precision=precision)
    kind = device_type()
    scaler = torch.amp.GradScaler(kind) if precision == "16-mixed" else None
    plugin = _Mixed(precision, device=kind, scaler=scaler)
    return Fabric(devices=devices, accelerator="auto", plugins=[plugin])


class _Mixed(MixedPrecision):
    """Autocast alone: it converts what an operation computes in half precision.

    Fabric's own also rounds all that a module is given, geometry and labels too, to 8 bits.
    """

    def convert_input(self, data: Any) -> Any:
        return data


def device_type() -> str:
    """'cuda', 'mps' or 'cpu': the kind of device that Fabric takes by itself."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def adamw(
    groups: Iterable[Any], precision: Precision, learning_rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """AdamW over parameters or groups of them; fused where gradients are not scaled.

    The fused step unscales gradients by itself, so they could not be clipped before.
    """
    return torch.optim.AdamW(
        groups, lr=learning_rate, weight_decay=weight_decay, fused=precision != "16-mixed"
    )


def clipped_step(
    fabric: Fabric, module: _FabricModule | nn.Module, optimizer: _FabricOptimizer, what: str
) -> None:
    """Clip the gradients' norm to 5 and let the optimizer step; what: the place, for the error.

    A step whose float16 gradients overflow is left out and the scale halved. Raises TrainingError
    for gradients that are not finite otherwise.
    """
    norm = fabric.clip_gradients(
        module, optimizer, max_norm=_LARGEST_NORM, error_if_nonfinite=False
    )
    scaler = _scaler(fabric)
    finite = norm is None or bool(torch.isfinite(norm))
    lost = not finite if scaler is None else scaler.get_scale() < _LEAST_SCALE
    if lost:
        raise TrainingError(
            f"{what}: the gradients are not finite numbers: lower learning_rate or use precision "
            "32-true"
        )
    optimizer.step()
    optimizer.zero_grad()


def scale_state(fabric: Fabric) -> dict[str, Any]:
    """What a checkpoint needs of the scale of the gradients; {} without one. JSON types."""
    return fabric.strategy.precision.state_dict()


def restore_scale(fabric: Fabric, state: Mapping[str, Any]) -> None:
    """The reverse of `scale_state`."""
    if state:
        fabric.strategy.precision.load_state_dict(dict(state))


def computed_in(fabric: Fabric, precision: Precision) -> dict[str, str]:
    """Arithmetic, device and version of torch, for the record that a run leaves."""
    if fabric.device.type == "cuda":
        device = torch.cuda.get_device_name(fabric.device)
    elif fabric.device.type == "cpu":
        device = f"cpu ({torch.backends.cpu.get_cpu_capability()})"
    else:
        device = fabric.device.type
    return {"precision": precision, "device": device, "torch": torch.__version__}


def _scaler(fabric: Fabric) -> torch.amp.GradScaler | None:
    plugin = fabric.strategy.precision
    return plugin.scaler if isinstance(plugin, MixedPrecision) else None
