"""Folders with results of other commands, identified by their main file and checked by receipt."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ulna.errors import ConfigError, VerificationError
from ulna.json_text import parse_json
from ulna.provenance.receipt import RECEIPT, Receipt, read_receipt
from ulna.provenance.verify import check_files

MAIN_FILES = {
    "stress": "stress.json",
    "examine": "examination.json",
    "review": "review.csv",
    "score": "score.json",
    "audit": "audit.json",
}
"""Command -> main file of its folder, with the numbers that are shown."""
_PICTURES = {"examine": "examination.png"}


@dataclass(frozen=True)
class Included:
    """Results of the command `verb` for a section of the report.

    name: the command, with a number from the second of its kind on. result: content of the main
    file, for a CSV its rows as dicts. receipt: None where the folder has none. files: those read.
    """

    verb: str
    name: str
    folder: Path
    result: Any
    receipt: Receipt | None
    files: tuple[Path, ...]


def read_included(given: Sequence[Path]) -> list[Included]:
    """Read the results in each of `given`, a folder or the main file in it.

    They are returned in the order of a report, not of `given`. Raises ConfigError for a folder of
    anything else or of several commands, one given twice, or damaged files; VerificationError for
    files that differ from the folder's receipt.
    """
    places = [_recognised(path) for path in given]
    for place in places:
        if places.count(place) > 1:
            raise ConfigError(f"{place[1]} is included twice: give it once")
    included = []
    for verb in MAIN_FILES:
        own = [folder for v, folder in places if v == verb]
        for number, folder in enumerate(own, start=1):
            included.append(_read(verb, verb if number == 1 else f"{verb}-{number}", folder))
    return included


def _recognised(path: Path) -> tuple[str, Path]:
    """Return the command that wrote `path`, and its folder."""
    if path.is_file():
        verbs = [v for v, name in MAIN_FILES.items() if name == path.name]
        folder = path.parent
    else:
        verbs = [v for v, name in MAIN_FILES.items() if (path / name).is_file()]
        folder = path
    if len(verbs) == 1:
        return verbs[0], folder
    expected = ", ".join(f"{name} (`ulna {v}`)" for v, name in MAIN_FILES.items())
    if verbs:
        names = " and ".join(MAIN_FILES[v] for v in verbs)
        raise ConfigError(
            f"{path} holds {names}: expected one of them; name the file, or give each a folder"
        )
    raise ConfigError(f"{path}: {_content_of(path)}: expected a folder with one of {expected}")


def _content_of(path: Path) -> str:
    if not path.exists():
        return "no such folder"
    if not path.is_dir():
        return "a file of another name"
    names = sorted(p.name for p in path.iterdir())
    return f"holds {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "empty"


def _read(verb: str, name: str, folder: Path) -> Included:
    file = folder / MAIN_FILES[verb]
    try:
        text = file.read_text(encoding="utf-8")
        result = _rows(text) if file.suffix == ".csv" else parse_json(text)
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigError(f"{file}: cannot be read ({error}): run `ulna {verb}` again") from None
    files = [file, *(folder / p for p in (_PICTURES.get(verb),) if p)]
    receipt = _receipt(verb, folder)
    if receipt is not None:
        files.append(folder / RECEIPT)
    return Included(verb, name, folder, result, receipt, tuple(f for f in files if f.is_file()))


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), restval=""))


def _receipt(verb: str, folder: Path) -> Receipt | None:
    """Return the folder's receipt after a check of its files against it, None without one."""
    file = folder / RECEIPT
    if not file.is_file():
        return None
    receipt = read_receipt(file)
    if receipt.kind != verb or MAIN_FILES[verb] not in receipt.files:
        raise ConfigError(
            f"{file}: is of `ulna {receipt.kind}`: expected one that lists {MAIN_FILES[verb]}: "
            f"run `ulna {verb}` again into a folder of its own"
        )
    # Only the written files are shown here. The inputs may have been moved since.
    wrong = [c for c in check_files(replace(receipt, inputs={}), folder) if c.equal is False]
    if wrong:
        raise VerificationError(
            f"{folder / wrong[0].what}: {wrong[0].message}: expected what {RECEIPT} says; run "
            f"`ulna {verb}` again"
        )
    return receipt
