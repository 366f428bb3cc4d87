"""Weights files of any container as a state dict; no code in them is executed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ulna.errors import WeightsError, out_of_memory

# Keys of the state dict in checkpoints of training scripts. A running mean (ema) comes last.
_CONTAINERS = (
    "state_dict",
    "model",
    "model_state_dict",
    "net",
    "network",
    "state_dict_ema",
    "model_ema",
)
_DEEPEST = 3
# A safetensors file begins with the length of its header, followed by the header as JSON.
_LENGTH_BYTES = 8


def read_weights(path: Path, whose: str) -> dict[str, Tensor]:
    """Read the tensors in `path` by name, on the CPU.

    path: .safetensors, or a file of torch.save (.pth, .pt, .bin): a state dict, or one under
    'state_dict', 'model' or the like. whose: named in errors, as "expert 'vgg19'". Raises
    WeightsError for a file that is missing, damaged, of another format or without tensors; OSError
    where the system refuses to read it.
    """
    if not path.is_file():
        raise WeightsError(
            f"{path}: no such file: expected weights of {whose} "
            "(.safetensors, or .pth, .pt, .bin with a state dict)"
        )
    loaded = _load(path)
    for _ in range(_DEEPEST):
        inner = (loaded[k] for k in _CONTAINERS if isinstance(loaded.get(k), Mapping))
        loaded = next(inner, loaded)
    tensors = {str(k): v for k, v in loaded.items() if isinstance(v, Tensor)}
    if not tensors:
        held = ", ".join(map(repr, list(loaded)[:5])) or "nothing"
        raise WeightsError(f"{path}: holds {held}: expected a state dict (names to tensors)")
    return tensors


def _load(path: Path) -> Mapping[Any, Any]:
    with path.open("rb") as file:
        start = file.read(40)
    try:
        if path.suffix == ".safetensors" or start[_LENGTH_BYTES:].startswith(b'{"'):
            return load_file(path)
        # Training scripts keep their options in a Namespace, which holds names and values only.
        with torch.serialization.safe_globals([argparse.Namespace]):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle's own errors have no common base but Exception
        if out_of_memory(error):
            raise
        raise _unreadable(path, start) from None
    if not isinstance(loaded, Mapping):
        raise WeightsError(
            f"{path}: holds a {type(loaded).__name__}: expected a state dict (names to tensors)"
        )
    return loaded


def _unreadable(path: Path, start: bytes) -> WeightsError:
    shown = start[:16].decode("ascii", "replace").replace("\ufffd", "?")
    readable = "".join(c if c.isprintable() else "?" for c in shown)
    return WeightsError(
        f"{path}: not readable as weights (begins with {readable!r}): damaged, of another format, "
        "or with Python objects, which are not executed: expected .safetensors, or a state dict "
        "written by torch.save(model.state_dict(), PATH)"
    )
