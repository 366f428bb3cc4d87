"""How many cores and threads this process may use: the machine's, less what it is kept from."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

THREADS_SAID = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""In the environment: how many threads the numeric libraries start."""
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
    result = [len(_mask())]
    reported = getattr(os, "process_cpu_count", None)  # follows PYTHON_CPU_COUNT and -X cpu_count
    if reported is not None:
        result.append(reported() or 1)
    result += [math.ceil(quota) for quota in _quotas(root)]
    return max(1, min(result))


def arithmetic_threads(root: Path = _ROOT) -> int:
    """Threads that a network's arithmetic gains from, at least 1: one on each physical core.

    As `usable_cores`, but the two threads of one physical core in the affinity mask count as one:
    they share the units that multiply. Where the system does not say which are, all count.
    """
    return min(usable_cores(root), len({_siblings(root, cpu) for cpu in sorted(_mask())}))


def hold_libraries(root: Path = _ROOT) -> None:
    """Tell the numeric libraries that are not imported yet about a quota of processor time.

    They follow the affinity mask by themselves, and no control group. A number that is set in the
    environment already stays the only one.
    """
    cores = usable_cores(root)
    if cores < len(_mask()) and not any(name in os.environ for name in THREADS_SAID):
        os.environ.update(dict.fromkeys(THREADS_SAID, str(cores)))


def _mask() -> set[int]:
    """The processors that the scheduler may put this process on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return set(affinity(0)) if affinity is not None else set(range(os.cpu_count() or 1))


def _siblings(root: Path, cpu: int) -> str:
    """The threads of a processor's physical core, one text for each core."""
    topology = root / "sys/devices/system/cpu" / f"cpu{cpu}" / "topology"
    return _text(topology / "thread_siblings_list") or str(cpu)


def _quotas(root: Path) -> Iterator[float]:
    """Cores' worth of time that each control group around this process may take."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield from _result(_version2(folder) for folder in _up(root / _GROUPS, path))
        elif "cpu" in controllers.split(","):
            for mount in _V1:
                yield from _result(_version1(f) for f in _up(root / _GROUPS / mount, path))


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


def _result(quotas: Iterator[float]) -> Iterator[float]:
    return (quota for quota in quotas if quota)


def _text(file: Path) -> str:
    """Of a file of the kernel's; "" where there is none."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
