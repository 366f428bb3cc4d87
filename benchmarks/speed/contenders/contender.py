"""The form of a contender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ulna.types import Array


@dataclass(frozen=True)
class Setting:
    """What a contender is loaded with. weights: folder of `random_bundle`."""

    weights: Path
    images: Path
    size: int
    threads: int

    @property
    def bundle(self) -> Path:
        return self.weights / "bundle"

    @property
    def run(self) -> Path:
        return self.weights / "run"


@dataclass(frozen=True)
class Answer:
    """Of one expert: abnormal logits (B, P), and maps (B, h, w) of the asked part in logits."""

    logits: Array
    maps: Array | None = None


class Contender(Protocol):
    """Steps are timed one by one, in their order; what is around them is not.

    flops: of one run of all steps where that does not depend on the images, else 0.
    """

    steps: Sequence[str]
    flops: float
    note: str

    def take(self, images: Array) -> None:
        """Make `images` (B, 1, S, S) those of the next runs."""

    def run(self, step: str) -> None: ...

    def answers(self) -> Mapping[str, Answer]:
        """What the last run said, by expert; {} from what gives no answer to compare."""
