"""One image under every corruption at every severity, to show their effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ulna.corruptions import CORRUPTIONS, corrupted
from ulna.report.gallery import data_uri
from ulna.robustness.stress.answers import read_views
from ulna.types import Radiograph, Study, Subtlety

SIDE = 150


@dataclass(frozen=True)
class _Strip:
    """The images of one corruption: (caption, data URI) of each severity."""

    name: str
    images: tuple[tuple[str, str], ...]


def image_strips(studies: Sequence[Study], input_size: int, seed: int) -> list[_Strip]:
    """Make a strip for each corruption, of the first view of a study with an obvious finding.

    The random draws are those of the scored images, so the images shown are those answered.
    """
    study = min(studies, key=lambda s: (s.subtlety != Subtlety.OBVIOUS, not s.abnormal))
    views = read_views(study)
    if not views:
        return []
    key = f"{study.key}/0"
    strips = [_Strip("unchanged", (("", _tile(views[0])),))]
    for name, corruption in CORRUPTIONS.items():
        images = tuple(
            (
                corruption.amount_text(severity),
                _tile(corrupted(views[0], name, severity, input_size, key, seed)),
            )
            for severity in range(1, len(corruption.amounts) + 1)
        )
        strips.append(_Strip(name, images))
    return strips


def _tile(radiograph: Radiograph) -> str:
    """Return a data URI of the image, its longest side SIDE px."""
    height, width = radiograph.pixels.shape
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = Image.fromarray(radiograph.pixels).resize(size, Image.Resampling.BOX)
    grey = np.rint(np.clip(np.asarray(small), 0, 1) * 255).astype(np.uint8)
    return data_uri(np.repeat(grey[..., None], 3, axis=2))
