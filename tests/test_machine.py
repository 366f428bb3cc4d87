"""The number of threads follows what the process may use, not what the machine has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ulna.config.phantom import PhantomConfig
from ulna.machine import THREAD_VARIABLES, arithmetic_threads, limit_library_threads, usable_cores

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


@pytest.mark.usefixtures("large_machine")
def test_threads_of_one_physical_core_compute_as_one(tmp_path: Path) -> None:
    siblings = {
        f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n % 32},{n % 32 + 32}\n"
        for n in range(MANY)
    }
    root = _tree(tmp_path, siblings)
    assert (usable_cores(root), arithmetic_threads(root)) == (64, 32)
    group = {"proc/self/cgroup": "0::/\n", f"{GROUPS}/cpu.max": "600000 100000\n"}
    assert arithmetic_threads(_tree(root, group)) == 6
    assert arithmetic_threads(tmp_path / "of a system that does not say") == 64


@pytest.mark.usefixtures("large_machine")
def test_libraries_are_told_of_a_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = {"proc/self/cgroup": "0::/\n", f"{GROUPS}/cpu.max": "300000 100000\n"}
    free, held = tmp_path / "free", _tree(tmp_path / "held", group)
    for before, root, after in (
        ({}, free, {}),
        ({}, held, dict.fromkeys(THREAD_VARIABLES, "3")),
        ({"OMP_NUM_THREADS": "9"}, held, {"OMP_NUM_THREADS": "9"}),
    ):
        monkeypatch.setattr(os, "environ", dict(before))
        limit_library_threads(root)
        assert os.environ == after


def _on_one_core(code: str) -> str:
    taskset = shutil.which("taskset")
    if taskset is None or not hasattr(os, "sched_getaffinity"):
        pytest.skip("no taskset here: it is of Linux")
    message = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [taskset, "-c", str(min(os.sched_getaffinity(0))), sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=message | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stdout


ONE_CORE = """
import os
from ulna.bundle.shipped import DEMONSTRATION_BUNDLE
from ulna.config.engine import EngineSettings
from ulna.machine import THREAD_VARIABLES, arithmetic_threads, usable_cores
from ulna.runtime.session import Session
from ulna.runtime.stream import default_workers

assert usable_cores() == arithmetic_threads() == default_workers() == 1
graph = next(DEMONSTRATION_BUNDLE.glob("*.onnx"))
def started(engine):
    before = len(os.listdir("/proc/self/task"))
    session = Session(graph, EngineSettings.parse(engine))
    return len(os.listdir("/proc/self/task")) - before, session
from ulna.runtime.session import onnxruntime_graph
print(started("onnxruntime")[0], started("onnxruntime:3")[0])
"""


def test_on_one_core_nothing_starts_a_second_thread() -> None:
    """ONNX Runtime's own pool has a thread for each core of the machine, whatever the mask."""
    assert _on_one_core(ONE_CORE).split() == ["0", "2"]


def test_openvino_computes_on_the_one_core() -> None:
    if find_spec("openvino") is None:
        pytest.skip("openvino is not installed (extra 'fast')")
    from_compiled = """
given = {}
from ulna.runtime.session import openvino_graph as g
check = g._check_precision
def note(compiled, precision):
    print(compiled.get_property("INFERENCE_NUM_THREADS"), compiled.get_property("NUM_STREAMS"))
    check(compiled, precision)
g._check_precision = note
started("openvino:fp32")
"""
    assert _on_one_core(ONE_CORE + from_compiled).split()[2:] == ["1", "1"]


@pytest.mark.slow
def test_torch_computes_on_the_one_core() -> None:
    code = (
        "import torch; from ulna.models.threads import limit_torch_threads; limit_torch_threads()\n"
    )
    assert _on_one_core(code + "print(torch.get_num_threads())") == "1\n"


def test_torch_is_held_to_a_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    """It respects the affinity mask by itself, but not control groups."""
    threads = pytest.importorskip("ulna.models.threads", reason="torch is not installed")
    requested: list[int] = []
    monkeypatch.setattr(threads.torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(threads.torch, "set_num_threads", requested.append)
    monkeypatch.setattr(threads, "arithmetic_threads", lambda: 6)
    threads.limit_torch_threads()  # tests/conftest.py says OMP_NUM_THREADS
    assert not requested
    monkeypatch.setattr(os, "environ", {})
    threads.limit_torch_threads()
    monkeypatch.setattr(threads.torch, "get_num_threads", lambda: 4)
    threads.limit_torch_threads()
    assert requested == [6]


def test_phantoms_are_written_by_as_many_processes_as_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = pytest.importorskip("ulna.phantom.write", reason="numba is not installed")
    requested: list[int] = []

    def each(out: Path, config: object, workers: int) -> list[object]:
        requested.append(workers)
        return []

    monkeypatch.setattr(write, "usable_cores", lambda: 3)
    monkeypatch.setattr(write, "_each", each)
    for workers in (0, 2):
        write.write_phantoms(tmp_path / str(workers), PhantomConfig(8), workers)
    assert requested == [3, 2]


def test_nobody_else_counts_cores(repository: Path) -> None:
    """os.cpu_count() in three places made a process with one core start 64 threads."""
    counting = re.compile(r"\b(cpu_count|sched_getaffinity|ThreadPoolExecutor\(\)|Pool\(\))")
    result = [
        f"{file.relative_to(repository)}: {line.strip()}"
        for file in sorted((repository / "src").rglob("*.py"))
        for line in file.read_text("utf-8").splitlines()
        if counting.search(line) and file.name != "machine.py"
    ]
    assert not result
