"""Start and end of the processes of a training, by this module or by torchrun.

The calling process is the first, and the others are its children. They leave Ctrl-C and all output
to it, and end when it does.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from ulna.errors import ConfigError, TrainingError, UlnaError, UlnaWarning
from ulna.training.cache_folder import Progress
from ulna.training.ranks.group import SINGLE_PROCESS, Ranks
from ulna.training.ranks.lifeline import Lifeline

G = TypeVar("G")
Work = Callable[[Ranks, G, Progress | None], None]
# Timeout of one step, in which all processes do the same.
_STEP = timedelta(minutes=30)
# Timeout for the work of a single process: decoding, scoring, fitting heads. The lifeline ends the
# wait for a process that has ended.
_LONG_WAIT = timedelta(days=30)
_HOST = "127.0.0.1"
_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_LEAVE_SECONDS = 20.0


def under_torchrun() -> bool:
    """Return whether torchrun has started this process as one of several."""
    return all(k in os.environ for k in _TORCHRUN) and _of_torchrun("WORLD_SIZE") > 1


def torchrun_rank() -> int:
    """Return this process's rank under torchrun, else 0.

    Raises ConfigError for environment variables that torchrun would not set so.
    """
    return _of_torchrun("RANK") if under_torchrun() else 0


def _of_torchrun(name: str) -> int:
    text = os.environ[name]
    if not text.isdecimal():
        raise ConfigError(
            f"environment variable {name}={text!r}: expected a whole number, as torchrun sets it, "
            "or leave it unset"
        )
    return int(text)


def run_together(devices: int, work: Work[G], inputs: G, progress: Progress | None) -> None:
    """Call `work` in `devices` processes, or in those that torchrun has started.

    work: a function of a module, so that other processes can import it. `inputs` is pickled for
    them, `progress` is called in the first only. Raises ConfigError for more devices than there
    are, what `work` raises in this process, and TrainingError when another process ends before its
    work is done.
    """
    if under_torchrun():
        if devices not in (1, started := _of_torchrun("WORLD_SIZE")):
            raise ConfigError(
                f"{devices} devices requested in a process that torchrun started as one of "
                f"{started}: leave --devices out, torchrun sets their number"
            )
        _one_of_torchrun(work, inputs, progress)
    elif devices == 1:
        work(SINGLE_PROCESS, inputs, progress)
    else:
        _check(devices)
        _with_children(devices, work, inputs, progress)


def _check(devices: int) -> None:
    # Without a GPU any number of processes share the CPU.
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = 1 if torch.backends.mps.is_available() else gpus
    if there and devices > there:
        raise ConfigError(
            f"{devices} devices requested, this machine has {there}: request at most as many"
        )


def _with_children(devices: int, work: Work[G], inputs: G, progress: Progress | None) -> None:
    store = _store(0, devices, master=True)
    threads = torch.get_num_threads()
    share = max(1, threads // devices)
    lifeline, spawn = Lifeline(0, devices), get_context("spawn")
    with socket.create_server((_HOST, 0)) as server, _on_this_machine():
        ports = (store.port, server.getsockname()[1])
        children = [
            spawn.Process(
                target=_child, args=(rank, devices, ports, share, work, inputs), daemon=True
            )
            for rank in range(1, devices)
        ]
        try:
            for child in children:
                child.start()
            lifeline.accept(server, lambda: _check_started(children))
            torch.set_num_threads(share)
            with _joined(Ranks(0, devices, 0, None, lifeline), store) as ranks:
                work(ranks, inputs, progress)
            for child in children:
                child.join(_LEAVE_SECONDS)
        finally:
            torch.set_num_threads(threads)
            _end(children)


def _store(port: int, size: int, master: bool) -> Any:
    """Return the store through which processes meet, on a port of the local machine only."""
    listening: dict[str, Any] = {}
    if master and sys.platform != "win32":  # by default it listens on all networks of the machine
        server = socket.create_server((_HOST, port))
        port = server.getsockname()[1]
        listening["master_listen_fd"] = server.detach()  # the store closes it
    return dist.TCPStore(  # type: ignore[attr-defined]
        _HOST, port, size, is_master=master, wait_for_workers=False, **listening
    )


def _check_started(children: Sequence[BaseProcess]) -> None:
    for rank, child in enumerate(children, start=1):
        if child.exitcode is not None:
            raise TrainingError(
                f"process {rank} of {len(children) + 1} could not start (exit code "
                f"{child.exitcode}): see its output; a script must call train_run below "
                "`if __name__ == '__main__':`, since every process imports it"
            )


def _end(children: Sequence[BaseProcess]) -> None:
    for child in children:
        if child.is_alive():
            child.kill()
    for child in children:
        if child.pid is not None:
            child.join()


def _child(
    rank: int, size: int, ports: tuple[int, int], threads: int, work: Work[G], inputs: G
) -> None:
    """Run `work` in a process that `_with_children` has started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(threads)
    lifeline = Lifeline(rank, size)
    try:
        lifeline.connect(_HOST, ports[1])
    except OSError:  # the first process has ended already
        os._exit(TrainingError.exit_code)
    try:
        store = _store(ports[0], size, master=False)
        with _on_this_machine(), _joined(Ranks(rank, size, rank, None, lifeline), store) as ranks:
            work(ranks, inputs, None)
    except BaseException as error:  # the first process reports it, if it is alive
        parent = parent_process()
        if parent is None or not parent.is_alive():
            sys.stderr.write(f"ulna: error: {lifeline.failure(0) or error}\n")
        elif not isinstance(error, (UlnaError, OSError, MemoryError)):
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(TrainingError.exit_code)


def _one_of_torchrun(work: Work[G], inputs: G, progress: Progress | None) -> None:
    rank, size, local = map(_of_torchrun, _TORCHRUN[:3])
    lifeline = Lifeline(rank, size)
    with _joined(Ranks(rank, size, local, None, lifeline), None) as ranks:
        host = os.environ["MASTER_ADDR"]
        if ranks.first:
            with socket.create_server((host, 0)) as server:
                ranks.decide(lambda: server.getsockname()[1])
                lifeline.accept(server, lambda: None)  # torchrun ends all when one fails to start
        else:
            lifeline.connect(host, ranks.decide(lambda: 0))
        work(ranks, inputs, progress if ranks.first else None)


@contextmanager
def _joined(ranks: Ranks, store: Any) -> Iterator[Ranks]:
    """Yield `ranks` as a member of the group; without a store, of torchrun's group."""
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(ranks.local)
    backend = "cpu:gloo,cuda:nccl" if gpu else "gloo"
    place: dict[str, Any] = {"rank": ranks.rank, "world_size": ranks.size, "store": store}
    reason, lifeline = "", ranks.lifeline
    assert lifeline is not None
    try:
        dist.init_process_group(backend, timeout=_STEP, **(place if store is not None else {}))
        waiting = dist.new_group(backend="gloo", timeout=_LONG_WAIT)
        assert not isinstance(waiting, int)  # this process is a member
        with warnings.catch_warnings():
            if not ranks.first:  # the first process gives the same warnings
                warnings.simplefilter("ignore", UlnaWarning)
            together = Ranks(ranks.rank, ranks.size, ranks.local, waiting, lifeline)
            yield together
            together.wait()
    except BaseException as error:
        reason = str(error) or "it was interrupted"
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
        lifeline.close(reason)


@contextmanager
def _on_this_machine() -> Iterator[None]:
    """Restrict connections to this machine, whatever its host name resolves to."""
    names = [name for _, name in socket.if_nameindex()]
    loopback = next((name for name in ("lo", "lo0") if name in names), None)
    before = os.environ.get("GLOO_SOCKET_IFNAME")
    if loopback and before is None:
        os.environ["GLOO_SOCKET_IFNAME"] = loopback
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("GLOO_SOCKET_IFNAME", None)
