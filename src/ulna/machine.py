"""How many cores this process may use: the machine's, less what it is kept from."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_ROOT = Path("/")
_GROUPS = "sys/fs/cgroup"
# The controller of processor time in version 1 of control groups is mounted under one of these.
_V1 = ("cpu", "cpu,cpuacct", "cpuacct,cpu")


def usable_cores(root: Path = _ROOT) -> int:
    """Cores that this process may compute on at once, at least 1.

    The least of: the affinity mask (`taskset`, `docker --cpuset-cpus`; all cores on systems that
    have none), the quotas of processor time of the process's control group and of those above it,
    rounded up (`docker --cpus`, the limit of a pod), and, from Python 3.13 on, PYTHON_CPU_COUNT.
    root: the folder that holds `proc` and `sys`. What cannot be read limits nothing.

    Sources: the Linux kernel's "Control Group v2" (cpu.max) and "CFS Bandwidth Control".
    """
    affinity = getattr(os, "sched_getaffinity", None)
    found = [len(affinity(0)) if affinity is not None else os.cpu_count() or 1]
    told = getattr(os, "process_cpu_count", None)  # follows PYTHON_CPU_COUNT and -X cpu_count
    if told is not None:
        found.append(told() or 1)
    found += [math.ceil(quota) for quota in _quotas(root)]
    return max(1, min(found))


def _quotas(root: Path) -> Iterator[float]:
    """Cores' worth of time that each control group around this process may take."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield from _found(_version2(folder) for folder in _up(root / _GROUPS, path))
        elif "cpu" in controllers.split(","):
            for mount in _V1:
                yield from _found(_version1(f) for f in _up(root / _GROUPS / mount, path))


def _up(mount: Path, path: str) -> Iterator[Path]:
    """The folder of a group and those above it, up to the mount.

    A container may be told the path that its group has outside, and see its own group mounted at
    the top: folders that are missing are passed over by whoever reads them.
    """
    inner = PurePosixPath(*(part for part in PurePosixPath(path).parts if part not in ("/", "..")))
    yield mount / inner
    yield from (mount / parent for parent in inner.parents)


def _version2(folder: Path) -> float:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    return _ratio(quota, period)


def _version1(folder: Path) -> float:
    return _ratio(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float:
    """Time per time; 0 for no quota ("max", -1) and for what is no number."""
    try:
        return max(0.0, int(quota) / int(period))
    except (ValueError, ZeroDivisionError):
        return 0.0


def _found(quotas: Iterator[float]) -> Iterator[float]:
    return (quota for quota in quotas if quota)


def _text(file: Path) -> str:
    """Of a file of the kernel's; "" where there is none."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
