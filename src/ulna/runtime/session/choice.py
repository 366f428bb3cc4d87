"""The available inference engines, and the choice for 'auto'."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from ulna.config.engine import EngineSettings, Precision
from ulna.errors import ConfigError

_CPU_FLAGS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class _AvailableEngine:
    """An installed engine. offers: its providers, or the CPU capabilities that it detects."""

    name: str
    version: str
    offers: tuple[str, ...]


def resolve(settings: EngineSettings) -> EngineSettings:
    """Resolve 'auto' to an available engine and precision ('fp32' or 'bf16').

    Resolved settings resolve to themselves. Raises ConfigError for an engine, provider or
    precision that this machine does not have; there is no fallback.
    """
    if settings.engine == "auto":
        return _automatic(settings)
    if settings.engine == "openvino":
        return replace(settings, precision=_openvino_precision(settings))
    if settings.provider != "cpu":
        from ulna.runtime.session.onnxruntime_graph import check_provider

        check_provider(settings.provider)
    return replace(settings, precision="fp32")


def available_engines() -> list[_AvailableEngine]:
    """Return the installed engines, ONNX Runtime first."""
    from ulna.runtime.session.onnxruntime_graph import providers, version

    # The GPU builds of ONNX Runtime are packages of other names, so the module states the version.
    engines = [_AvailableEngine("onnxruntime", version(), tuple(providers()))]
    if openvino_installed():
        from ulna.runtime.session.openvino_graph import capabilities

        engines.append(_AvailableEngine("openvino", metadata.version("openvino"), capabilities()))
    return engines


def openvino_installed() -> bool:
    """Whether OpenVINO is installed; it is not imported."""
    return find_spec("openvino") is not None


def _automatic(settings: EngineSettings) -> EngineSettings:
    """Choose OpenVINO if it has bf16, else ONNX Runtime, which starts sooner and is as fast.

    See docs/decisions/018-engines.md.
    """
    if settings.precision != "fp32" and _has_bf16():
        return replace(settings, engine="openvino", precision="bf16")
    if settings.precision == "bf16":  # raises the error that says what is missing
        return resolve(replace(settings, engine="openvino"))
    return replace(settings, engine="onnxruntime", precision="fp32")


def _has_bf16() -> bool:
    """Whether OpenVINO has bf16 here; avoids its import (0.5 s) if the CPU has none."""
    if not openvino_installed():
        return False
    try:
        if "bf16" not in _CPU_FLAGS.read_text(encoding="utf-8"):
            return False
    except OSError:  # not Linux: ask the engine
        pass
    from ulna.runtime.session.openvino_graph import capabilities

    return "BF16" in capabilities()


def _openvino_precision(settings: EngineSettings) -> Precision:
    if not openvino_installed():
        raise ConfigError(
            "engine 'openvino': not installed: run: pip install 'ulna[fast]', or take 'onnxruntime'"
        )
    from ulna.runtime.session.openvino_graph import capabilities

    available = capabilities()
    if settings.precision == "bf16" and "BF16" not in available:
        raise ConfigError(
            f"precision 'bf16': this CPU has none (OpenVINO finds {', '.join(available)}): "
            "expected 'openvino:fp32' or 'openvino' here"
        )
    if settings.precision == "fp32" or "BF16" not in available:
        return "fp32"
    return "bf16"
