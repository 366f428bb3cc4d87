"""From a `Radiograph` to a network's input: the only path, for training and prediction."""

from __future__ import annotations

from ulna.config.input_spec import InputSpec
from ulna.preprocess.square import PIXELS_VERSION, letterbox_uint8, normalise, prepare

__all__ = ["PIXELS_VERSION", "InputSpec", "letterbox_uint8", "normalise", "prepare"]
