"""Warn of labels whose meaning differs from that of a bundle's answers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ulna.datasets.meaning import differing_meaning
from ulna.errors import DatasetWarning
from ulna.types import Study

if TYPE_CHECKING:
    from ulna.bundle import Manifest


def warn_of_meaning(studies: Sequence[Study], manifest: Manifest, purpose: str) -> list[str]:
    """Return a sentence, which is warned of too (DatasetWarning), where labels differ in meaning.

    The sentence begins with `purpose`, the use of the studies ("calibration").
    """
    difference = differing_meaning(studies, manifest.abnormal_means)
    if not difference:
        return []
    message = (
        f"{purpose}: these labels are used although the bundle answers "
        f"{manifest.abnormal_means}: {difference}"
    )
    warnings.warn(message, DatasetWarning, stacklevel=3)
    return [message]
