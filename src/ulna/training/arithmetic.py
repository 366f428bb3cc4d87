"""Training in exactly the arithmetic of the recipe, on whatever device this process has.

Lightning Fabric replaces float16 by bfloat16 on a CPU. Torch computes float16 there as well, so a
run that another machine began in float16 is resumed in float16 here. Gradients of float16 are
scaled so that small ones do not vanish (Micikevicius et al. 2018, Mixed precision training, section
3.2). The scale is part of a checkpoint.
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
from ulna.models.threads import limit_torch_threads

_LARGEST_NORM = 5.0
# The scale starts at 65,536 and is halved at every overflow. Below this limit the gradients
# themselves do not fit into float16.
_LEAST_SCALE = 2.0**-10


def start_fabric(precision: Precision, devices: list[int] | int = 1) -> Fabric:
    """Return a Fabric on the best device of this machine that computes in `precision`.

    Limits torch to the threads that this process may use. Raises ConfigError for 'auto', which
    `training.precision.with_precision` must resolve first.
    """
    if precision == "auto":
        raise ConfigError("precision 'auto' names no arithmetic: resolve it by `with_precision`")
    limit_torch_threads()
    if precision == "32-true":
        return Fabric(devices=devices, accelerator="auto", precision=precision)
    kind = _device_type()
    scaler = torch.amp.GradScaler(kind) if precision == "16-mixed" else None
    plugin = _Mixed(precision, device=kind, scaler=scaler)
    return Fabric(devices=devices, accelerator="auto", plugins=[plugin])


class _Mixed(MixedPrecision):
    """Autocast without conversion of the module's inputs.

    Fabric's own plugin also rounds all inputs of a module, coordinates and labels too, to 8 bits.
    """

    def convert_input(self, data: Any) -> Any:
        return data


def _device_type() -> str:
    """Return the device type that Fabric chooses by default: 'cuda', 'mps' or 'cpu'."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def adamw(
    groups: Iterable[Any], precision: Precision, learning_rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """Return AdamW over parameters or parameter groups, fused unless gradients are scaled.

    The fused step unscales gradients itself, so they could not be clipped before it.
    """
    return torch.optim.AdamW(
        groups, lr=learning_rate, weight_decay=weight_decay, fused=precision != "16-mixed"
    )


def clipped_step(
    fabric: Fabric, module: _FabricModule | nn.Module, optimizer: _FabricOptimizer, label: str
) -> None:
    """Clip the norm of the gradients to 5 and take one optimizer step.

    A step whose float16 gradients overflow is skipped and the scale halved. label: expert and step,
    for the error message. Raises TrainingError where gradients are not finite for another reason.
    """
    norm = fabric.clip_gradients(
        module, optimizer, max_norm=_LARGEST_NORM, error_if_nonfinite=False
    )
    scaler = _scaler(fabric)
    finite = norm is None or bool(torch.isfinite(norm))
    lost = not finite if scaler is None else scaler.get_scale() < _LEAST_SCALE
    if lost:
        raise TrainingError(
            f"{label}: the gradients are not finite numbers: lower learning_rate or use precision "
            "32-true"
        )
    optimizer.step()
    optimizer.zero_grad()


def scale_state(fabric: Fabric) -> dict[str, Any]:
    """Return the state of the gradient scale in JSON types, or {} where there is none."""
    return fabric.strategy.precision.state_dict()


def restore_scale(fabric: Fabric, state: Mapping[str, Any]) -> None:
    """Restore the state that `scale_state` returned."""
    if state:
        fabric.strategy.precision.load_state_dict(dict(state))


def computed_in(fabric: Fabric, precision: Precision) -> dict[str, str]:
    """Return precision, device and torch version, for the record of a run."""
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
