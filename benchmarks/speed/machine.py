"""What kind of machine this is: its class, never its name."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from ulna.machine import usable_cores

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_PACKAGES = ("ulna", "torch", "timm", "grad-cam", "onnxruntime", "openvino", "tensorflow", "numpy")


def describe_machine() -> dict[str, object]:
    """Processor, units for matrices, cores, memory, versions, load before the run."""
    facts = _cpu_facts()
    units = [f for f in _FLAGS if f in facts.get("flags", "").split()]
    return {
        "processor": facts.get("model name", platform.processor() or platform.machine()),
        "units": units,
        "cores": usable_cores(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {"python": platform.python_version()} | _versions(),
    }


def _cpu_facts() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return {}
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _memory_gib() -> float | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def _versions() -> dict[str, str]:
    result = {}
    for package in _PACKAGES:
        try:
            result[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            result[package] = "not installed"
    return result
