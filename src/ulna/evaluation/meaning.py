"""Labels that stand for something else than a bundle's answers do."""

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
    """A sentence, which is warned of too (DatasetWarning), where labels have another meaning.

    purpose: what the studies are for, as the sentence begins ("calibration").
    """
    reported = differing_meaning(studies, manifest.abnormal_means)
    if not reported:
        return []
    message = (
        f"{purpose}: these labels count all the same, though the bundle answers "
        f"{manifest.abnormal_means}: {reported}"
    )
    warnings.warn(message, DatasetWarning, stacklevel=3)
    return [message]
