"""Golden outputs of every verb: what a change that must not change anything is held against.

    python scripts/golden.py record FOLDER [--source CHECKOUT]
    python scripts/golden.py compare FOLDER_A FOLDER_B

`record` runs the walk of golden_walk.py with the ulna of CHECKOUT (this one by default): processes
of their own, one core, seeds fixed, tiny data. FOLDER gets a folder for each call: call.json
(words, exit code, names of written files), stdout.txt, stderr.txt, and the files as it left them.
The work is done in one place, whatever FOLDER is, on a copy of the sources without a git
repository and with a clock of its own (golden_clock), so that paths, dates and durations are the
same in every record. `compare` says what differs, a line for each difference; exit code 1 if
anything does. Records of different machines or packages differ in last digits.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from golden_compare import compare
from golden_data import write_all
from golden_walk import WALK, Call, calls, verb_of

ROOT = Path(__file__).resolve().parents[1]
CLOCK = Path(__file__).with_name("golden_clock")
_KEPT = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_FIXED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "LANG": "C.UTF-8",
}
# As cli/progress.py writes it: how often depends on the machine.
_PROGRESS = re.compile(r"^\S[^\n]*: \d+/\d+(?:, \d+:\d\d left|, took \d+:\d\d)?\n", re.MULTILINE)
_TOOK = re.compile(r"\(\d+\.\d+ minutes\)")
_SECONDS = 600


@dataclass(frozen=True)
class Place:
    """Where the walk runs: the same for every record, so that no path tells two apart."""

    base: Path

    @property
    def work(self) -> Path:
        """The working folder of every call."""
        return self.base / "work"

    def prepare(self, checkout: Path) -> None:
        """A copy of the sources, an empty home and the data."""
        try:
            self.base.mkdir()
        except FileExistsError:
            raise SystemExit(
                f"{self.base}: a record is under way, or was killed: remove it"
            ) from None
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(checkout / "src", self.base / "src", ignore=skipped)
        shutil.copytree(CLOCK, self.base / "clock", ignore=skipped)
        for folder in ("work", "home"):
            (self.base / folder).mkdir()
        write_all(self.work)

    def run(self, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        """`ulna WORDS` here, as a process of its own."""
        paths = os.pathsep.join(str(self.base / folder) for folder in ("clock", "src"))
        kept = {k: v for k, v in os.environ.items() if k in _KEPT}
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "ulna", *words],
            cwd=self.work,
            env={**kept, **_FIXED, "PYTHONPATH": paths, "HOME": str(self.base / "home")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def normalised(self, text: str) -> str:
        """Without places and durations."""
        text = text.replace(str(self.base), "{here}").replace(sys.prefix, "{python}")
        return _TOOK.sub("({time} minutes)", text)

    def files(self) -> dict[str, tuple[int, ...]]:
        """What lies in the working folder; the numbers change when a file is written."""
        found: dict[str, tuple[int, ...]] = {}
        for path in sorted(p for p in self.work.rglob("*") if p.is_file()):
            told = path.stat()
            key = path.relative_to(self.work).as_posix()
            found[key] = (told.st_ino, told.st_size, told.st_mtime_ns)
        return found


def record(out: Path, checkout: Path, only: str = WALK) -> int:
    """Run the walk and keep in `out` what each call said and wrote; 1 if a code is unexpected."""
    place = Place(Path(tempfile.gettempdir()).resolve() / "ulna-golden")
    out.mkdir(parents=True)
    place.prepare(checkout)
    seconds: dict[str, float] = {}
    wrong = []
    try:
        for call in _with_help(place, only):
            began = time.monotonic()
            code = _keep(place, call, out)
            seconds[call.name] = round(time.monotonic() - began, 1)
            said = "" if code == call.code else f"  EXPECTED {call.code}"
            wrong += [call.name] if said else []
            print(f"{seconds[call.name]:6.1f} s  exit {code:3}  {call.name}{said}", flush=True)
    finally:
        shutil.rmtree(place.base)
    about = {"here": str(place.base), "checkout": str(checkout), "seconds": seconds}
    (out / "golden.json").write_text(json.dumps(about, indent=1), "utf-8")
    print(f"{len(seconds)} calls in {sum(seconds.values()):.0f} s")
    return int(bool(wrong))


def _with_help(place: Place, only: str) -> Iterator[Call]:
    """The walk, its preparations made when their turn comes, then the help of every verb."""
    listed = place.run(("--help",)).stdout.partition("Commands:\n")[2]
    verbs = frozenset(re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE))
    walked = set()
    for call in calls(place.work, only):
        if call.name.startswith("@"):
            _prepare(place.work, call)
            continue
        walked.add(verb_of(call, verbs))
        yield call
    yield from (Call(f"{verb}-help", (verb, "--help")) for verb in sorted(verbs))
    missing = sorted(verbs - walked)
    if missing and only == WALK:
        raise SystemExit(f"no call of {', '.join(missing)}: add some to golden_walk.py")


def _prepare(work: Path, call: Call) -> None:
    first, second = call.words
    if call.name == "@write":
        (work / first).write_text(second, "utf-8")
    else:
        shutil.copytree(work / first, work / second)


def _keep(place: Place, call: Call, out: Path) -> int:
    """Run one call and write its folder; its exit code."""
    before = place.files()
    done = place.run(call.words)
    after = place.files()
    written = [name for name in after if before.get(name) != after[name]]
    folder = out / call.name
    for name in written:
        target = folder / "files" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place.work / name, target)
    folder.mkdir(exist_ok=True)
    told = {
        "words": list(call.words),
        "code": done.returncode,
        "written": written,
        "removed": sorted(before.keys() - after.keys()),
    }
    (folder / "call.json").write_text(json.dumps(told, indent=1), "utf-8")
    (folder / "stdout.txt").write_text(place.normalised(done.stdout), "utf-8")
    said = _PROGRESS.sub("", place.normalised(done.stderr))
    (folder / "stderr.txt").write_text(said, "utf-8")
    return done.returncode


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    recording = verbs.add_parser("record", help="run every verb and keep what comes of it")
    recording.add_argument("folder", type=Path)
    recording.add_argument("--source", type=Path, default=ROOT, help="a checkout; default: this")
    recording.add_argument("--only", help="a walk of your own: a file like WALK of golden_walk.py")
    comparing = verbs.add_parser("compare", help="say what differs between two records")
    comparing.add_argument("a", type=Path)
    comparing.add_argument("b", type=Path)
    given = parser.parse_args(arguments)
    if given.verb == "record":
        only = Path(given.only).read_text("utf-8") if given.only else WALK
        return record(given.folder.resolve(), given.source.resolve(), only)
    lines = list(compare(given.a, given.b))
    print("\n".join(lines) or "no difference")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
