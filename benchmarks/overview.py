"""Speed on this machine: phantoms, indexing a full-size tree, predicting. `make bench-overview`.

`python benchmarks/overview.py [BUNDLE]`: with a bundle, prediction is timed too.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ulna.config.phantom import PhantomConfig
from ulna.datasets import index_mura, index_phantoms
from ulna.phantom import write_phantoms

PHANTOMS = 60
FULL_STUDIES, FULL_IMAGES = 13_457, 3


def timed(what: str, count: int, work: Callable[[], object]) -> None:
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    print(f"{what:<34} {count:>7} in {seconds:7.2f} s   {count / seconds:10.1f} per second")


def grow_tree(root: Path, radiograph: Path) -> int:
    """A MURA-shaped tree of full size: one image, linked many times."""
    for number in range(FULL_STUDIES):
        label = "positive" if number % 3 == 0 else "negative"
        folder = root / f"train/XR_WRIST/patient{number:05d}/study1_{label}"
        folder.mkdir(parents=True)
        for image in range(FULL_IMAGES):
            os.link(radiograph, folder / f"image{image + 1}.png")
    return FULL_STUDIES * FULL_IMAGES


def main() -> None:
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        warm, real = PhantomConfig(studies=2, seed=1), PhantomConfig(studies=PHANTOMS, seed=2)
        write_phantoms(root / "warm", warm)  # compiles
        phantoms = root / "phantoms"
        timed("phantom studies, 224 px", PHANTOMS, lambda: write_phantoms(phantoms, real))
        studies = index_phantoms(phantoms)
        images = grow_tree(root / "tree", studies[0].images[0].path)
        timed("images indexed", images, lambda: index_mura(root / "tree"))
        if len(sys.argv) > 1:
            from ulna.runtime import Predictor

            predictor = Predictor.load(Path(sys.argv[1]))
            timed(
                "studies predicted", len(studies), lambda: [predictor.predict(s) for s in studies]
            )


if __name__ == "__main__":
    main()
