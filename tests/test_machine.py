"""Threads follow what the process may use, not what the machine has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ulna.machine import usable_cores

MANY = 64


@pytest.fixture
def large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 cores, all of them in the mask."""
    monkeypatch.setattr(os, "cpu_count", lambda: MANY)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(MANY)), raising=False)
    monkeypatch.setattr(os, "process_cpu_count", lambda: MANY, raising=False)


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return root


GROUPS = "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, MANY),
        ({"proc/self/cgroup": "0::/\n"}, MANY),
        # version 2, its own group mounted at the top: what a container sees
        ({"proc/self/cgroup": "0::/\n", f"{GROUPS}/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", f"{GROUPS}/cpu.max": "max 100000\n"}, MANY),
        ({"proc/self/cgroup": "0::/\n", f"{GROUPS}/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", f"{GROUPS}/cpu.max": "5000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", f"{GROUPS}/cpu.max": "nonsense\n"}, MANY),
        ({"proc/self/cgroup": "0::/\n", f"{GROUPS}/cpu.max": "100000 0\n"}, MANY),
        # a group inside another: the least of both holds
        (
            {
                "proc/self/cgroup": "0::/pods/one\n",
                f"{GROUPS}/pods/one/cpu.max": "400000 100000\n",
                f"{GROUPS}/pods/cpu.max": "300000 100000\n",
            },
            3,
        ),
        # the path is the one outside, the mount the one inside; and one that leads out of it
        (
            {"proc/self/cgroup": "0::/docker/0123\n", f"{GROUPS}/cpu.max": "700000 100000\n"},
            7,
        ),
        ({"proc/self/cgroup": "0::/../beside\n", f"{GROUPS}/cpu.max": "700000 100000\n"}, 7),
        # version 1, under each of the names that its mount goes by
        *(
            (
                {
                    "proc/self/cgroup": f"5:memory:/elsewhere\n4:{controllers}:/a\n0::/\n",
                    f"{GROUPS}/{mount}/a/cpu.cfs_quota_us": "250000\n",
                    f"{GROUPS}/{mount}/a/cpu.cfs_period_us": "50000\n",
                    f"{GROUPS}/{mount}/cpu.cfs_quota_us": "-1\n",
                    f"{GROUPS}/{mount}/cpu.cfs_period_us": "100000\n",
                },
                5,
            )
            for controllers, mount in (
                ("cpu", "cpu"),
                ("cpu,cpuacct", "cpu,cpuacct"),
                ("cpuacct,cpu", "cpuacct,cpu"),
                ("cpu,cpuacct", "cpu"),
            )
        ),
    ],
)
@pytest.mark.usefixtures("large_machine")
def test_the_quota_of_the_control_group_holds(
    files: dict[str, str], cores: int, tmp_path: Path
) -> None:
    assert usable_cores(_tree(tmp_path, files)) == cores


@pytest.mark.usefixtures("large_machine")
def test_the_least_of_all_limits_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = {"proc/self/cgroup": "0::/\n", f"{GROUPS}/cpu.max": "600000 100000\n"}
    root = _tree(tmp_path, group)
    assert usable_cores(root) == 6
    monkeypatch.setattr(os, "process_cpu_count", lambda: 5, raising=False)
    assert usable_cores(root) == 5
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {8, 9, 11}, raising=False)
    assert usable_cores(root) == 3


def test_without_a_mask_all_cores_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert usable_cores(tmp_path) == 12
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores(tmp_path) == 1


def test_a_process_on_one_core_has_one() -> None:
    taskset = shutil.which("taskset")
    if taskset is None or not hasattr(os, "sched_getaffinity"):
        pytest.skip("no taskset here: it is of Linux")
    core = str(min(os.sched_getaffinity(0)))
    code = "from ulna.machine import usable_cores; print(usable_cores())"
    done = subprocess.run(
        [taskset, "-c", core, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"


def test_nobody_else_counts_cores(repository: Path) -> None:
    """os.cpu_count() in three places made a process with one core start 64 threads."""
    counting = re.compile(r"\b(cpu_count|sched_getaffinity|ThreadPoolExecutor\(\)|Pool\(\))")
    found = [
        f"{file.relative_to(repository)}: {line.strip()}"
        for file in sorted((repository / "src").rglob("*.py"))
        for line in file.read_text("utf-8").splitlines()
        if counting.search(line) and file.name != "machine.py"
    ]
    assert not found
