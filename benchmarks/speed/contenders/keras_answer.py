"""Keras `predict`, where TensorFlow is installed: the logits, no map, weights of its own."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from benchmarks.speed.contenders.contender import Answer, Setting
from benchmarks.speed.inputs import PARTS

from ulna.types import Array

_NAMES = {"vgg19": "VGG19", "densenet121": "DenseNet121", "resnet50": "ResNet50"}


class KerasAnswer:
    flops, note = 0.0, "keras.applications, random weights"

    def __init__(self, setting: Setting) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import keras
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(setting.threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        names = [p.stem for p in setting.bundle.glob("*.onnx")]
        self._models = {n: _build(keras, _NAMES[n], setting.size) for n in names}
        self.steps = tuple(self._models)

    def take(self, images: Array) -> None:
        self._images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))

    def run(self, step: str) -> None:
        self._models[step].predict(self._images, batch_size=len(self._images), verbose=0)

    def answers(self) -> dict[str, Answer]:
        return {}


def _build(keras: Any, kind: str, size: int) -> Any:
    body = getattr(keras.applications, kind)(
        include_top=False, weights=None, input_shape=(size, size, 1), pooling="avg"
    )
    return keras.Sequential([body, keras.layers.Dense(len(PARTS))])


def build(setting: Setting) -> KerasAnswer:
    return KerasAnswer(setting)
