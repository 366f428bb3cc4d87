"""Training: from studies and a recipe to the weights of every expert (torch, Lightning Fabric)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.training.run import train_run
    from ulna.training.source import DataSource

__all__ = ["DataSource", "train_run"]

__getattr__ = lazy_getattr(__name__, {"run": ("train_run",), "source": ("DataSource",)})
