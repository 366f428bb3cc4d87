"""The process that tries mutants one after the other, and says what it saw as lines of JSON.

    python -m tests.fuzz.worker FAMILY SEED START STOP STATE

STATE: a file that always holds the number being tried, for whoever finds this process dead.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.fuzz.mutants import Mutants
from tests.fuzz.trial import children, tried

_SPARE = 1 << 30
_CHILD = "ulna.dicom."


def limit_memory() -> None:
    """What is in use now, and _SPARE."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + _SPARE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def fork_children() -> None:
    """Have Ulna's decoding child forked off here: the same code, without starting Python anew.

    Starting it takes 0.3 s, thirty times what there is for a mutant.
    """
    plain = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        if not (isinstance(command, list) and "-m" in command and _CHILD in " ".join(command)):
            return plain(command, **options)
        at = command.index("-m") + 1
        return _forked(command[at], command[at:], options["input"])

    subprocess.run = run  # type: ignore[assignment]


def _forked(module: str, arguments: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    code = importlib.import_module(module)
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as result:
        given.write(data)
        given.seek(0)
        process = os.fork()
        if process == 0:
            os.dup2(given.fileno(), 0)
            os.dup2(result.fileno(), 1)
            sys.argv, sys.stdin = arguments, os.fdopen(0)
            try:
                os._exit(code._main())
            finally:
                os._exit(70)
        _, status, used = os.wait4(process, 0)
        state = os.waitstatus_to_exitcode(status)
        children.append((used.ru_maxrss * 1024, state))
        result.seek(0)
        return subprocess.CompletedProcess(arguments, state, result.read(), b"")


def main() -> int:
    family, seed, start, stop, state = sys.argv[1:]
    mutants = Mutants(family, seed)
    fork_children()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # native decoders talk
    limit_memory()
    handle = os.open(state, os.O_WRONLY | os.O_CREAT)
    for number in range(int(start), int(stop)):
        os.pwrite(handle, f"{number:12}".encode(), 0)
        image, data = mutants.make(number)
        began = time.monotonic()
        trial = tried(data, "a mutant")
        result = {"number": number, "image": image, "wall": time.monotonic() - began, **vars(trial)}
        print(json.dumps(result), flush=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
