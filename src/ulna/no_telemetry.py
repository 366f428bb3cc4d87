"""Import packages that send telemetry with their telemetry disabled."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

# ONNX Runtime from 1.29 on (not on Windows) reads its switch once, at its first import. Hugging
# Face's hub client, which timm uses to download weights, reports the installed packages with it.
_SWITCHES: Mapping[str, str] = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
# OpenVINO sends an event at each import, and falls back to a stub where this package is not
# installed. Its own switch is a file in the user's home folder, which is left alone.
_REPORTER = "openvino_telemetry"


@contextmanager
def no_telemetry() -> Iterator[None]:
    """Disable the telemetry of onnxruntime, openvino and timm where imported in this context.

    The switches stay set in the environment, for later reads and for child processes. A package
    that the calling program imported earlier is not affected. The calling program's own use of
    OpenVINO's telemetry package is restored.
    """
    os.environ.update(_SWITCHES)
    before = sys.modules.get(_REPORTER)
    sys.modules[_REPORTER] = None  # type: ignore[assignment]  # "not installed", to the importer
    try:
        yield
    finally:
        _put_back(before)


def _put_back(module: ModuleType | None) -> None:
    if module is None:
        sys.modules.pop(_REPORTER, None)
    else:
        sys.modules[_REPORTER] = module
