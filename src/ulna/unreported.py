"""Packages that report their use to their makers, imported so that they do not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

# ONNX Runtime from 1.29 on, other than on Windows: read once, when it is first imported. Hugging
# Face's hub client, by which timm fetches weights: asked for weights, it adds what else is here.
_SWITCHES: Mapping[str, str] = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
# OpenVINO sends an event each time it is imported, and has a stub in place of this package where
# it is not installed. Its own switch is a file below the home folder, which is the user's.
_REPORTER = "openvino_telemetry"


@contextmanager
def unreported() -> Iterator[None]:
    """Import what reports (onnxruntime, openvino, timm) within it, and it does not.

    The switches stay set in the environment, for what is read later and for child processes.
    A package that the caller's program imported before is past this; it has reported by itself.
    The caller's own use of OpenVINO's reporting package is left as it was.
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
