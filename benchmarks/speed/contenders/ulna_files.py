"""Ulna from PNG images to the whole answer: read, prepare, run, fuse, map and outlines."""

from __future__ import annotations

from benchmarks.speed.contenders.contender import Answer, Setting
from benchmarks.speed.contenders.engines import load_predictor
from benchmarks.speed.inputs import PART, PARTS

from ulna.types import Array, ImageRef, Study


class UlnaFiles:
    flops = 0.0
    steps = ("predict",)

    def __init__(self, setting: Setting, engine: str, precision: str) -> None:
        self.note = f"{engine}, {precision}, from PNG images of 512 px"
        self._predictor = load_predictor(setting.bundle, engine, precision, setting.threads)
        self._images = sorted(setting.images.glob("*.png"))

    def take(self, images: Array) -> None:
        refs = tuple(ImageRef(path) for path in self._images[: len(images)])
        if len(refs) != len(images):
            raise ValueError(f"{len(self._images)} images: expected at least {len(images)}")
        self._study = Study("speed", "1", PARTS[PART], refs, None)

    def run(self, step: str) -> None:
        self._predictor.predict(self._study)

    def answers(self) -> dict[str, Answer]:
        return {}


def build(setting: Setting, engine: str, precision: str) -> UlnaFiles:
    return UlnaFiles(setting, engine, precision)
