"""Which engines are here, and what 'auto' becomes of them."""

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
    """An engine that is installed. offers: its providers, or what it finds in the CPU."""

    name: str
    version: str
    offers: tuple[str, ...]


def resolve(settings: EngineSettings) -> EngineSettings:
    """The same with nothing left open but threads: an engine that is here, 'fp32' or 'bf16'.

    Resolved settings resolve to themselves. Raises ConfigError for an engine, provider or
    precision that this machine does not have: nothing else is taken in its place.
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
    """The installed engines, ONNX Runtime first."""
    from ulna.runtime.session.onnxruntime_graph import providers, version

    # Its builds for GPUs are packages of other names: only the module knows.
    result = [_AvailableEngine("onnxruntime", version(), tuple(providers()))]
    if openvino_installed():
        from ulna.runtime.session.openvino_graph import capabilities

        result.append(_AvailableEngine("openvino", metadata.version("openvino"), capabilities()))
    return result


def openvino_installed() -> bool:
    """Whether OpenVINO can be imported; nothing is."""
    return find_spec("openvino") is not None


def _automatic(settings: EngineSettings) -> EngineSettings:
    """OpenVINO where it has bf16, else ONNX Runtime, which starts sooner and is as fast.

    (docs/decisions/018-engines.md)
    """
    if settings.precision != "fp32" and _has_bf16():
        return replace(settings, engine="openvino", precision="bf16")
    if settings.precision == "bf16":  # to be told what is missing
        return resolve(replace(settings, engine="openvino"))
    return replace(settings, engine="onnxruntime", precision="fp32")


def _has_bf16() -> bool:
    """Whether OpenVINO is there and finds bf16; its import (0.5 s) is spared where it cannot."""
    if not openvino_installed():
        return False
    try:
        if "bf16" not in _CPU_FLAGS.read_text(encoding="utf-8"):
            return False
    except OSError:  # no Linux: only the engine knows
        pass
    from ulna.runtime.session.openvino_graph import capabilities

    return "BF16" in capabilities()


def _openvino_precision(settings: EngineSettings) -> Precision:
    if not openvino_installed():
        raise ConfigError(
            "engine 'openvino': not installed: run: pip install 'ulna[fast]', or take 'onnxruntime'"
        )
    from ulna.runtime.session.openvino_graph import capabilities

    result = capabilities()
    if settings.precision == "bf16" and "BF16" not in result:
        raise ConfigError(
            f"precision 'bf16': this CPU has none (OpenVINO finds {', '.join(result)}): expected "
            "'openvino:fp32' or 'openvino' here"
        )
    if settings.precision == "fp32" or "BF16" not in result:
        return "fp32"
    return "bf16"
