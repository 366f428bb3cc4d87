"""Ulna's sessions and fusion on prepared arrays: the hybrid's answer and its map."""

from __future__ import annotations

import numpy as np
from benchmarks.speed.contenders.contender import Answer, Setting
from benchmarks.speed.contenders.engines import load_session
from benchmarks.speed.inputs import PART, PARTS

from ulna.bundle import read_bundle
from ulna.runtime.fusion import ExpertOutput, FusedImage, fuse_image, routing_weights
from ulna.types import Array


class UlnaArrays:
    flops = 0.0

    def __init__(self, setting: Setting, engine: str, precision: str) -> None:
        self.note = f"{engine}, {precision}"
        bundle = read_bundle(setting.bundle)
        self._manifest = bundle.manifest
        self._sessions = {
            e.name: load_session(bundle.graph_path(e), engine, precision, setting.threads)
            for e in bundle.manifest.experts
        }
        self.steps = (*self._sessions, "fuse")
        self._result: dict[str, list[ExpertOutput]] = {}
        self._fused: list[FusedImage] = []

    def take(self, images: Array) -> None:
        self._images = images

    def run(self, step: str) -> None:
        if step != "fuse":
            self._result[step] = self._sessions[step].run(self._images)
            return
        routing = routing_weights(np.zeros((1, len(PARTS))), PARTS, PARTS[PART])
        self._fused = [
            fuse_image({n: o[i] for n, o in self._result.items()}, routing, self._manifest)
            for i in range(len(self._images))
        ]

    def answers(self) -> dict[str, Answer]:
        return {
            name: Answer(
                np.stack([o.abnormal for o in outputs]), np.stack([o.cam[PART] for o in outputs])
            )
            for name, outputs in self._result.items()
        }


def build(setting: Setting, engine: str, precision: str) -> UlnaArrays:
    return UlnaArrays(setting, engine, precision)
