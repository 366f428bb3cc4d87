"""Settings of the inference engine, to text and back."""

from __future__ import annotations

import itertools

import pytest

from ulna.config.engine import PORTABLE, EngineSettings
from ulna.errors import ConfigError

TEXTS = {
    "auto": EngineSettings("auto"),
    "onnxruntime": EngineSettings(),
    "onnxruntime:fp32": EngineSettings(precision="fp32"),
    "onnxruntime:cuda": EngineSettings(provider="cuda"),
    "onnxruntime:int8:tensorrt:3": EngineSettings("onnxruntime", "int8", "tensorrt", 3),
    "openvino": EngineSettings("openvino"),
    "openvino:bf16:2": EngineSettings("openvino", "bf16", threads=2),
}


@pytest.mark.parametrize(("text", "settings"), TEXTS.items())
def test_text_and_settings_agree(text: str, settings: EngineSettings) -> None:
    assert EngineSettings.parse(text) == settings
    assert str(settings) == text
    engine, *rest = text.split(":")
    for order in itertools.permutations(rest):
        assert EngineSettings.parse(" " + ":".join([engine.upper(), *order])) == settings


def test_without_arguments_it_is_the_portable_one() -> None:
    assert EngineSettings() == PORTABLE == EngineSettings.parse("onnxruntime:cpu:0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "engine '': expected auto|onnxruntime|openvino"),
        ("tflite", "engine 'tflite': expected auto"),
        ("openvino:", "'' is unknown"),
        ("openvino:fp64", "'fp64' is unknown"),
        ("openvino:-2", "'-2' is unknown"),
        ("openvino:fp32:bf16", "precision is set twice"),
        ("onnxruntime:2:2", "threads is set twice"),
        ("onnxruntime:99999", "99999 threads: expected 1 to 1024"),
        ("onnxruntime:" + "9" * 5000, "threads: expected 1 to 1024"),
        ("openvino:cuda", "write 'onnxruntime:cuda'"),
        ("auto:coreml", "write 'onnxruntime:coreml'"),
        ("onnxruntime:bf16", "'openvino:bf16'"),
    ],
)
def test_what_is_no_setting_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        EngineSettings.parse(text)
    assert message in str(caught.value)


def test_settings_check_themselves() -> None:
    with pytest.raises(ConfigError, match="-1 threads"):
        EngineSettings(threads=-1)
    with pytest.raises(ConfigError, match="99999999999 threads: expected 1 to 1024"):
        EngineSettings.parse("onnxruntime:99999999999")
    with pytest.raises(ConfigError, match="'fp16': expected one of auto, fp32"):
        EngineSettings(precision="fp16")  # type: ignore[arg-type]
