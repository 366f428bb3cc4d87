"""From a `Radiograph` to what a network reads: the only such path, for training and serving."""

from __future__ import annotations

from ulna.config.input_spec import InputSpec
from ulna.preprocess.square import PIXELS_VERSION, letterbox_uint8, normalise, prepare

__all__ = ["PIXELS_VERSION", "InputSpec", "letterbox_uint8", "normalise", "prepare"]
