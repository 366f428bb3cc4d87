"""The arithmetic of a run on this machine."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast, get_args

import torch

from ulna.config.codec import read_json
from ulna.config.recipe import Precision, Recipe
from ulna.config.selfsupervision import SelfSupervision
from ulna.errors import ConfigError

VARIABLE = "ULNA_PRECISION"
Settings = TypeVar("Settings", Recipe, SelfSupervision)


def with_precision(settings: Settings, begun: Path) -> Settings:
    """Return `settings` with 'auto' resolved: as in the file `begun`, else by the device.

    A resumed run keeps its arithmetic even on another machine, so that its weights do not depend on
    where it was stopped.
    """
    if settings.precision != "auto":
        return settings
    there = begun.is_file()
    chosen = read_json(type(settings), begun).precision if there else best_precision()
    return replace(settings, precision=chosen)


def best_precision() -> Precision:
    """Return the meaning of 'auto': ULNA_PRECISION of the environment, else by the device.

    Mixed bfloat16 where hardware computes it; a CPU without it would be ten times slower. Raises
    ConfigError for an unknown value of the variable.
    """
    requested = os.environ.get(VARIABLE, "")
    if requested:
        return _requested(requested)
    if torch.cuda.is_available():
        return (
            "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
        )
    if torch.backends.mps.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cpu._is_avx512_bf16_supported() else "32-true"


def _requested(text: str) -> Precision:
    known = [p for p in get_args(Precision) if p != "auto"]
    if text not in known:
        raise ConfigError(
            f"environment variable {VARIABLE}={text!r}: expected one of {', '.join(known)}, or "
            "leave it unset"
        )
    return cast(Precision, text)
