"""How many cores and threads this process may use, under CPU affinity and control groups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""The environment variables that set the number of threads of the numeric libraries."""
_ROOT = Path("/")
_GROUPS = "sys/fs/cgroup"
# The mount points of the CPU controller of control groups v1.
_V1 = ("cpu", "cpu,cpuacct", "cpuacct,cpu")


def usable_cores(root: Path = _ROOT) -> int:
    """Return the number of cores that this process may use at once, at least 1.

    It is the minimum of the affinity mask (`taskset`, `docker --cpuset-cpus`; all cores on systems
    without one), the CPU quotas of the process's control group and its ancestors, rounded up
    (`docker --cpus`, the limit of a pod), and, from Python 3.13 on, PYTHON_CPU_COUNT.
    root: the folder that contains `proc` and `sys`. Files that cannot be read set no limit.

    Sources: the Linux kernel's "Control Group v2" (cpu.max) and "CFS Bandwidth Control".
    """
    limits = [len(_mask())]
    cpu_count = getattr(os, "process_cpu_count", None)  # follows PYTHON_CPU_COUNT, -X cpu_count
    if cpu_count is not None:
        limits.append(cpu_count() or 1)
    limits += [math.ceil(quota) for quota in _quotas(root)]
    return max(1, min(limits))


def arithmetic_threads(root: Path = _ROOT) -> int:
    """Return the best number of threads for a network: one per usable physical core, at least 1.

    As `usable_cores`, but hyper-threads of one physical core count as one, since they share its
    multipliers. Where the system does not state the topology, all of them count.
    """
    return min(usable_cores(root), len({_siblings(root, cpu) for cpu in sorted(_mask())}))


def limit_library_threads(root: Path = _ROOT) -> None:
    """Set the number of threads of numeric libraries that are not imported yet to a CPU quota.

    They respect the affinity mask but not control groups. Nothing is changed if any of
    THREAD_VARIABLES is already set in the environment.
    """
    cores = usable_cores(root)
    if cores < len(_mask()) and not any(name in os.environ for name in THREAD_VARIABLES):
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(cores)))


def _mask() -> set[int]:
    """The CPUs that the scheduler may run this process on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return set(affinity(0)) if affinity is not None else set(range(os.cpu_count() or 1))


def _siblings(root: Path, cpu: int) -> str:
    """The hyper-threads of the physical core of `cpu`, as a text that is unique per core."""
    topology = root / "sys/devices/system/cpu" / f"cpu{cpu}" / "topology"
    return _text(topology / "thread_siblings_list") or str(cpu)


def _quotas(root: Path) -> Iterator[float]:
    """The CPU quota, in cores, of each control group that contains this process and has one."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield from filter(None, map(_version2, _up(root / _GROUPS, path)))
        elif "cpu" in controllers.split(","):
            for mount in _V1:
                yield from filter(None, map(_version1, _up(root / _GROUPS / mount, path)))


def _up(mount: Path, path: str) -> Iterator[Path]:
    """The folder of a control group and its ancestors, up to the mount point.

    Inside a container the path may be that of the host while the container's own group is mounted
    at the top, so some of the folders may not exist.
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
    """Quota divided by period; 0 for no quota ("max", -1) and for texts that are no numbers."""
    try:
        return max(0.0, int(quota) / int(period))
    except (ValueError, ZeroDivisionError):
        return 0.0


def _text(file: Path) -> str:
    """The text of a file of the kernel, "" where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
