"""A connection from every process of a training to the first, which detects when one ends.

A killed process closes its connections, so the others learn of it at once, whatever they wait for,
where a collective operation might wait for its timeout or for ever.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable

from ulna.errors import TrainingError

_DONE = b"\0done"
_RANK_BYTES = 4
# Time for the main thread to end by itself, before the process is ended.
_GRACE_SECONDS = 10.0
_LOOK_SECONDS, _HELLO_SECONDS = 0.5, 10.0


class Lifeline:
    """Lifeline of process `rank` of `size`, active from `accept` or `connect` until `close`."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self._links: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        self._lost, self._closed = threading.Event(), threading.Event()
        self._text = ""

    def accept(self, server: socket.socket, check: Callable[[], None]) -> None:
        """In the first process, wait for all others; `check` is called often and may raise."""
        server.settimeout(_LOOK_SECONDS)
        while len(self._links) < self.size - 1:
            check()
            try:
                link, _ = server.accept()
            except TimeoutError:
                continue
            link.settimeout(_HELLO_SECONDS)
            try:
                other = int.from_bytes(link.recv(_RANK_BYTES), "big")
            except OSError:
                other = 0
            if not 0 < other < self.size or other in self._links:  # not one of these processes
                link.close()
                continue
            link.settimeout(None)
            self._watch(other, link)

    def connect(self, host: str, port: int) -> None:
        """In the other processes, connect to the first."""
        link = socket.create_connection((host, port), timeout=60)
        link.settimeout(None)
        link.sendall(self.rank.to_bytes(_RANK_BYTES, "big"))
        self._watch(0, link)

    def failure(self, wait: float) -> TrainingError | None:
        """Return the error if another process has ended, or does within `wait` seconds."""
        return TrainingError(self._text) if self._lost.wait(wait) else None

    def close(self, reason: str = "") -> None:
        """Stop watching and send the others the reason: '' when the work is done."""
        if self._closed.is_set():
            return
        self._closed.set()
        for link in self._links.values():
            # File names in the reason may not be valid UTF-8.
            _send(link, reason.encode(errors="backslashreplace") or _DONE)
            link.close()

    def _watch(self, other: int, link: socket.socket) -> None:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._links[other] = link
        threading.Thread(target=self._listen, args=(other, link), daemon=True).start()

    def _listen(self, other: int, link: socket.socket) -> None:
        message = b""
        try:
            while chunk := link.recv(1 << 12):
                message += chunk
        except OSError:  # the other process is gone, or the link was closed here
            pass
        if message != _DONE and not self._closed.is_set():
            self._lose(other, message.decode(errors="replace"))

    def _lose(self, other: int, message: str) -> None:
        """Inform the others and the main thread, and end the process if that does not end."""
        with self._lock:
            if self._lost.is_set():
                return
            self._text = message if message and self.rank else self._ended(other, message)
            self._lost.set()
        for rank, link in list(self._links.items()):
            if rank != other:
                _send(link, self._text.encode())
        if not self._closed.wait(_GRACE_SECONDS):
            sys.stderr.write(f"ulna: error: {self._text}\n")
            sys.stderr.flush()
            os._exit(TrainingError.exit_code)

    def _ended(self, other: int, message: str) -> str:
        why = message or "killed, or out of memory"
        return (
            f"one of the {self.size} processes of this training, number {other} from 0, ended: "
            f"{why}. The others were stopped; `ulna train ... --resume` goes on from the last "
            "checkpoint"
        )


def _send(link: socket.socket, text: bytes) -> None:
    try:
        link.sendall(text)
        link.shutdown(socket.SHUT_WR)
    except OSError:  # the other process is gone
        pass
