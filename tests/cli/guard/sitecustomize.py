"""Refuse every connection in Python processes that have this folder on PYTHONPATH.

Each attempt, by whatever package, is written to the file that ULNA_GUARD names, and fails.
"""

import os
import socket
import sys

_NAMES = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_SENDING = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_INTERNET = (socket.AF_INET, socket.AF_INET6)
_LOG = os.environ["ULNA_GUARD"]


def _guard(event: str, args: tuple) -> None:
    requested = event in _NAMES or event in _SENDING and args[0].family in _INTERNET
    if requested or event == "urllib.Request":
        with open(_LOG, "a", encoding="utf-8") as log:
            log.write(f"{event} {args!r} by {sys.argv}\n")
        raise OSError(f"guarded: {event}")


sys.addaudithook(_guard)
