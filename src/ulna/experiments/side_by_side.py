"""Work in processes of its own, some at a time: a process that is killed costs no other."""

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
    """Why a process did not end well. memory: for want of it, or killed, which mostly means so."""

    message: str
    memory: bool


@dataclass(frozen=True)
class _Running:
    process: SpawnProcess
    reported: Connection


def run_side_by_side(
    work: Work, numbers: Sequence[int], at_a_time: int, ended: Callable[[int], None]
) -> dict[int, Failure]:
    """Call `work(number)` for each of `numbers` in a fresh process; why some of them failed.

    work: can be pickled. ended: called after each that is done. Where a process is killed, or runs
    out of memory, the others go on. After an error of any other kind, which is mostly that of
    all, no more are begun, and those under way are waited for.
    """
    waiting = list(numbers)
    running: dict[int, _Running] = {}
    failures: dict[int, Failure] = {}
    try:
        while waiting or running:
            free = at_a_time - len(running)
            now, waiting = waiting[:free], waiting[free:]
            running |= {number: _begin(work, number) for number in now}
            result = {number: _failure(running.pop(number)) for number in _ended(running)}
            for number in (n for n, failure in result.items() if failure is None):
                ended(number)
            failed = {n: failure for n, failure in result.items() if failure is not None}
            failures |= failed
            waiting = waiting if all(f.memory for f in failed.values()) else []
    finally:
        for one in running.values():
            one.process.terminate()
            one.process.join()
    return failures


def tell_of_failed(failures: Mapping[str, Failure]) -> None:
    """Raise for what failed, by name: UlnaError for memory alone, else TrainingError."""
    if not failures:
        return
    each = [f"{name}: {failure.message}" for name, failure in failures.items()]
    message = "\n  ".join([*each, "what the others have trained is kept: the same command goes on"])
    memory = all(f.memory for f in failures.values())
    raise UlnaError(message) if memory else TrainingError(message)


def _begin(work: Work, number: int) -> _Running:
    # A process that started with the threads of numeric libraries cannot be forked.
    context = get_context("spawn")
    reported, tells = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, number, tells))
    process.start()
    tells.close()
    return _Running(process, reported)


def _work(work: Work, number: int, tells: Connection) -> None:
    """The process: nothing is told where all went well."""
    try:
        work(number)
    except Exception as error:  # told to the one that waits, as one line
        tells.send(Failure(message_of(error)[:_LONGEST], out_of_memory(error)))


def _ended(running: dict[int, _Running]) -> list[int]:
    """Wait until a process has ended; the numbers of all that have."""
    over = set(wait([one.process.sentinel for one in running.values()]))
    return [number for number, one in running.items() if one.process.sentinel in over]


def _failure(one: _Running) -> Failure | None:
    one.process.join()
    try:
        if one.reported.poll():
            reported = one.reported.recv()
            assert isinstance(reported, Failure)
            return reported
    except EOFError:  # the other end is closed, and nothing was told
        pass
    finally:
        one.reported.close()
    return _died(one.process.exitcode or 0)


def _died(code: int) -> Failure | None:
    """Why a process ended that said nothing. code: negative for a signal's number."""
    if code == 0:
        return None
    name = _signal(-code) if code < 0 else ""
    if name == "SIGKILL":
        message = "its process was killed by the system: most likely it ran out of memory"
        return Failure(f"{message}: {MEMORY_ADVICE}", True)
    how = f"by signal {name}" if name else f"with exit code {code}"
    return Failure(f"its process ended {how} without an error message", False)


def _signal(number: int) -> str:
    """A signal's name; systems have real-time signals without one, and Windows has few at all."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
