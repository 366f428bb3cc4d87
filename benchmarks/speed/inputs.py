"""What the contenders are given. Without torch: it would count as memory of those who need none."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ulna.types import Array, BodyPart

ENCODERS = ("vgg19", "densenet121", "resnet50")
PARTS = (BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST)
# The body part whose map is asked for.
PART = 0
FILMS, FILM_SIDE = 32, 512


def write_images(place: Path, seed: int, count: int = FILMS) -> Path:
    """A folder of 8-bit PNG images, 512 px on the long side: soft shapes with noise."""
    from PIL import Image
    from scipy import ndimage

    folder = place / "films"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        path = folder / f"view{number:02d}.png"
        if not path.is_file():
            rough = ndimage.gaussian_filter(rng.normal(size=(FILM_SIDE, FILM_SIDE * 3 // 4)), 24)
            smooth = (rough - rough.min()) / np.ptp(rough)
            noisy = smooth * 235 + rng.normal(0, 2, rough.shape) + 10
            Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path)
    return folder


def prepared_images(count: int, size: int, seed: int = 0) -> Array:
    """(count, 1, size, size) float32 in the range that `prepare` gives."""
    rng = np.random.default_rng(seed)
    cells = -(-size // 8)
    soft = np.kron(rng.random((count, 1, 8, 8)), np.ones((cells, cells)))[..., :size, :size]
    noisy = 0.8 * soft + 0.2 * rng.random(soft.shape)
    return np.asarray((noisy - 0.5) / 0.25, dtype=np.float32)
