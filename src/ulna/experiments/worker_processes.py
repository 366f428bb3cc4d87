"""Work in separate processes, some at a time: if one is killed, the others continue."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from ulna.errors import MEMORY_ADVICE, TrainingError, UlnaError, message_of, out_of_memory

Work = Callable[[int], None]
_LONGEST = 4000


@dataclass(frozen=True)
class Failure:
    """Why a process failed. memory: it ran out of memory, or was killed, usually for that."""

    message: str
    memory: bool


@dataclass(frozen=True)
class _Running:
    process: SpawnProcess
    failures: Connection


def run_in_processes(
    work: Work, numbers: Sequence[int], at_a_time: int, ended: Callable[[int], None]
) -> dict[int, Failure]:
    """Call `work(number)` for each of `numbers` in a fresh process; return the failures.

    work: can be pickled. ended: called with the number of each success. When a process is killed
    or runs out of memory, the others continue. After any other error, which usually concerns all,
    no more processes are started, and the running ones are waited for.
    """
    waiting = list(numbers)
    running: dict[int, _Running] = {}
    failures: dict[int, Failure] = {}
    try:
        while waiting or running:
            free = at_a_time - len(running)
            now, waiting = waiting[:free], waiting[free:]
            running |= {number: _begin(work, number) for number in now}
            outcomes = {number: _failure(running.pop(number)) for number in _ended(running)}
            for number in (n for n, failure in outcomes.items() if failure is None):
                ended(number)
            failed = {n: failure for n, failure in outcomes.items() if failure is not None}
            failures |= failed
            waiting = waiting if all(f.memory for f in failed.values()) else []
    finally:
        for one in running.values():
            one.process.terminate()
            one.process.join()
    return failures


def raise_failures(failures: Mapping[str, Failure]) -> None:
    """Raise for the failures, by name: UlnaError if all ran out of memory, else TrainingError."""
    if not failures:
        return
    each = [f"{name}: {failure.message}" for name, failure in failures.items()]
    message = "\n  ".join([*each, "all other folds are kept: the same command continues"])
    memory = all(f.memory for f in failures.values())
    raise UlnaError(message) if memory else TrainingError(message)


def _begin(work: Work, number: int) -> _Running:
    # A process with running threads of numeric libraries cannot be forked.
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, number, sender))
    process.start()
    sender.close()
    return _Running(process, receiver)


def _work(work: Work, number: int, sender: Connection) -> None:
    """Run in the process: send the failure, if there is one."""
    try:
        work(number)
    except Exception as error:  # reported to the waiting process as one line
        sender.send(Failure(message_of(error)[:_LONGEST], out_of_memory(error)))


def _ended(running: dict[int, _Running]) -> list[int]:
    """Wait until a process has ended; return the numbers of all that have."""
    ended = set(wait([one.process.sentinel for one in running.values()]))
    return [number for number, one in running.items() if one.process.sentinel in ended]


def _failure(one: _Running) -> Failure | None:
    one.process.join()
    try:
        if one.failures.poll():
            failure = one.failures.recv()
            assert isinstance(failure, Failure)
            return failure
    except EOFError:  # the other end is closed, and nothing was sent
        pass
    finally:
        one.failures.close()
    return _died(one.process.exitcode or 0)


def _died(code: int) -> Failure | None:
    """Return why a process ended without a message. code: negative for a signal's number."""
    if code == 0:
        return None
    name = _signal(-code) if code < 0 else ""
    if name == "SIGKILL":
        message = "its process was killed by the system: most likely it ran out of memory"
        return Failure(f"{message}: {MEMORY_ADVICE}", True)
    end = f"by signal {name}" if name else f"with exit code {code}"
    return Failure(f"its process ended {end} without an error message", False)


def _signal(number: int) -> str:
    """Return a signal's name, or its number where the system has no name for it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
