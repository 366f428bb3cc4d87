"""From paths on the command line to studies without labels, for `ulna predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ulna.types import Study


def index_paths(paths: Sequence[Path]) -> list[Study]:
    """`ulna.datasets.index_given`, imported when it is needed."""
    from ulna.datasets import index_given

    return index_given(paths)
