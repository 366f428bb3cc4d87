"""Programs run with every connection refused and recorded, and a home folder that is watched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUARD = Path(__file__).with_name("guard")
# Variables that turn reporting off, as in CI: the guard must see what a user would send.
_QUIETING = ("CI", "TF_BUILD", "JENKINS_URL", "DO_NOT_TRACK", "DISABLE_TELEMETRY")
_QUIETING += ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE")
# Variables that redirect files from the home folder.
_MOVING = ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HF_HOME")
# Counters of a namespace: packets without a route, and connections that were begun.
_COUNTED = ("OutNoRoutes", "ActiveOpens", "OutDatagrams", "Ip6OutNoRoutes", "Udp6OutDatagrams")
_IN_NAMESPACE = '"$@"; code=$?; cat /proc/net/snmp /proc/net/snmp6 > "$ULNA_COUNTS"; exit $code'


@dataclass(frozen=True)
class Ended:
    """A finished program. requested: its attempts to connect, in Python or in native code."""

    code: int
    output: str
    requested: tuple[str, ...]


@dataclass(frozen=True)
class Sandbox:
    """A folder with a home, a working and a temporary folder, all empty at first."""

    folder: Path
    namespace: tuple[str, ...] = ()
    guard: bool = True

    @classmethod
    def make(cls, folder: Path, namespace: Sequence[str] = (), guard: bool = True) -> Sandbox:
        for name in ("home", "work", "tmp"):
            (folder / name).mkdir(parents=True)
        return cls(folder, tuple(namespace), guard)

    def python(self, *arguments: object, home: str = "") -> Ended:
        """Run `python ARGUMENTS` here."""
        log, counts = self.folder / "asked.log", self.folder / "counts"
        log.unlink(missing_ok=True)
        command = [sys.executable, *map(str, arguments)]
        if self.namespace:
            command = [*self.namespace, "sh", "-c", _IN_NAMESPACE, "sh", *command]
        done = subprocess.run(
            command,
            cwd=self.folder / "work",
            env=self._environment(home) | {"ULNA_GUARD": str(log), "ULNA_COUNTS": str(counts)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        requested = log.read_text("utf-8").splitlines() if log.exists() else []
        if self.namespace:
            requested += _packets(counts.read_text("utf-8"))
        return Ended(done.returncode, done.stdout, tuple(requested))

    def files(self, *parts: str) -> list[str]:
        """Return the files below `home`, `work` and `tmp` (or those named)."""
        folders = [self.folder / p for p in parts or ("home", "work", "tmp")]
        return sorted(
            p.relative_to(self.folder).as_posix()
            for f in folders
            for p in f.rglob("*")
            if p.is_file()
        )

    def _environment(self, home: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in (*_QUIETING, *_MOVING)}
        paths = [str(GUARD)] * self.guard + [str(ROOT / "src"), kept.get("PYTHONPATH", "")]
        return kept | {
            "PYTHONPATH": os.pathsep.join(p for p in paths if p),
            "HOME": home or str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
        }


def namespace() -> tuple[str, ...]:
    """Return the command for an empty network namespace; () where that is forbidden."""
    unshare = shutil.which("unshare")
    for flags in ("-n", "-rn"):
        command = (unshare or "", flags)
        if unshare and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    return ()


def _packets(text: str) -> list[str]:
    """Return the counters that are not 0, from /proc/net/snmp (two lines each) and snmp6."""
    result: dict[str, int] = {}
    lines = [line.split() for line in text.splitlines()]
    for names, values in zip(lines, lines[1:], strict=False):
        if len(names) > 2 and names[0] == values[0]:
            result |= dict(zip(names[1:], map(int, values[1:]), strict=True))
    result |= {line[0]: int(line[1]) for line in lines if len(line) == 2}
    return [f"{name}: {result[name]}" for name in _COUNTED if result.get(name)]
