"""Training: from studies and a recipe to the weights of every expert (torch, Lightning Fabric)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.training.run import train_run
    from ulna.training.source import DataSource

__all__ = ["DataSource", "train_run"]


def __getattr__(name: str) -> Any:
    if name == "train_run":
        from ulna.training.run import train_run

        return train_run
    if name == "DataSource":
        from ulna.training.source import DataSource

        return DataSource
    raise AttributeError(f"module 'ulna.training' has no attribute {name!r}")
