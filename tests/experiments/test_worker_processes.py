"""Parallel processes: a failure leaves the others running, and lack of memory is reported."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ulna.cli.failure import report_failure
from ulna.errors import TrainingError, UlnaError, WeightsError
from ulna.experiments.worker_processes import Failure, _died, raise_failures, run_in_processes


def _wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true() and time.monotonic() < until:
        time.sleep(0.01)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _write(folder: Path, faults: dict[int, str], number: int) -> None:
    """Do a fold's work: write a file, unless something ends the process before."""
    how, first = faults.get(number, ""), folder.parent / f"{folder.name}.pid"
    if number == 0 and how:
        first.write_text(str(os.getpid()))
    if number == 1 and 0 in faults:  # runs until the first has ended
        _wait_for(lambda: first.exists() and not _is_there(int(first.read_text() or 0)))
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how))
    if how == "limit":
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + 2**24, held + 2**24))
        bytearray(2**30)
    if how == "torch":
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")
    if how == "cuda":
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if how == "weights":
        raise WeightsError("no such weights: expected a file")
    (folder / str(number)).write_text("done")


def _run(folder: Path, faults: dict[int, str], n: int) -> dict[int, Failure]:
    reported: list[int] = []
    failures = run_in_processes(partial(_write, folder, faults), range(n), 2, reported.append)
    assert sorted(reported) == sorted(int(p.name) for p in folder.iterdir())
    assert not multiprocessing.active_children()
    return failures


def test_a_process_that_is_killed_or_runs_out_of_memory_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = {1: "SIGKILL", 2: "torch", 3: "cuda"}
    if Path("/proc/self/statm").exists():  # how much the process holds
        faults[4] = "limit"
    failures = _run(tmp_path, faults, n=6)
    assert {int(p.name) for p in tmp_path.iterdir()} == set(range(6)) - set(faults)
    assert set(failures) == set(faults) and all(f.memory for f in failures.values())
    for number, failure in failures.items():
        with pytest.raises(UlnaError) as caught:
            raise_failures({f"fold {number}": failure})
        assert caught.value.exit_code == 1
        report_failure(caught.value, debug=False)
        message = capsys.readouterr().err
        assert f"fold {number}: " in message and "out of memory" in message
        for word in ("fewer --jobs", "batch_size", "the same command continues"):
            assert word in message
        for word in ("defect", "BrokenProcessPool", "RuntimeError", "MemoryError"):
            assert word not in message


@pytest.mark.parametrize(
    ("how", "message"), [("weights", "no such weights"), ("SIGTERM", "by signal SIGTERM")]
)
def test_another_failure_lets_running_processes_finish_and_starts_no_more(
    tmp_path: Path, how: str, message: str
) -> None:
    failures = _run(tmp_path, {0: how}, n=3)
    assert message in failures[0].message and not failures[0].memory
    assert (tmp_path / "1").exists() and not (tmp_path / "2").exists()
    with pytest.raises(TrainingError, match="fold 0: "):
        raise_failures({"fold 0": failures[0]})


@pytest.mark.parametrize(
    ("code", "message"),
    [(-15, "by signal SIGTERM"), (-40, "by signal 40"), (3, "with exit code 3")],
)
def test_every_end_of_a_process_is_reported(
    code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real-time signals have no names, and Windows has no SIGKILL."""
    monkeypatch.delattr(signal, "SIGKILL", raising=False)
    failure = _died(code)
    assert failure is not None and message in failure.message and not failure.memory


def test_nothing_is_raised_where_nothing_failed() -> None:
    raise_failures({})
