"""Many small images for tables: a few distinct ones under many names, with bad ones among them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.runtime.analytic_bundle import PARTS, write_images

from ulna.types import BodyPart, ImageRef, Study


def many_studies(folder: Path, count: int) -> list[Study]:
    """`count` studies of one to three views; every 7th has a bad image, every 11th no other.

    Every 13th is of a part that the bundle does not know.
    """
    distinct = write_images(folder / "distinct", [(90, 70), (60, 100), (80, 80), (70, 75)])
    bad = folder / "bad.png"
    bad.write_text("no image")
    studies = []
    for k in range(count):
        refs = []
        for view in range(1 + k % 3):
            path = folder / f"image-{k}-{view}.png"
            os.link(distinct[(k + view) % 4].path, path)
            refs.append(ImageRef(path, "AP"))
        refs += [ImageRef(bad)] if k % 7 == 3 else []
        refs = [ImageRef(bad)] * 2 if k % 11 == 5 else refs
        part = BodyPart.HAND if k % 13 == 6 else (*PARTS, None)[k % 3]
        studies.append(Study(f"p{k // 2}", f"s{k}", part, tuple(refs)))
    return studies
