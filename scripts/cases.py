"""Images with the value that must be read: every row of a folder's cases.csv, tried.

    python scripts/cases.py FOLDER

FOLDER holds cases.csv (columns file, kind, expected, tolerance, met_by, what), the images and the
expected arrays. Kinds:

pixels   read, and equal to `expected`, an (H, W) float32 .npy in [0, 1], within `tolerance`
note     read, with an UlnaWarning; one of them names `expected`, where a word stands there
refuse   one UlnaError in plain words: no traceback, no exception class, no object's address
part     the body part that the header means, as `index_dicom` says it; 'none' for none of the seven

Whatever the kind, no warning but Ulna's own may come out. Prints a table of the rows that fail and
a summary; the exit status is 1 if any fails.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ulna.datasets.dicom_folder import index_dicom
from ulna.errors import UlnaError, UlnaWarning
from ulna.imaging import read_radiograph

# What a reader of an error message has no use for.
_INNER_WORDS = re.compile(
    r"\b\w*(?:Error|Exception)\b|Traceback|\bat 0x[0-9a-f]+|0x[0-9a-f]{7,}|<class |<\w[\w.]* object"
)


@dataclass(frozen=True)
class Case:
    """One row; paths are those of its files."""

    folder: Path
    file: str
    kind: str
    expected: str
    tolerance: float
    what: str

    @property
    def path(self) -> Path:
        return self.folder / self.file


def read_cases(folder: Path) -> list[Case]:
    """The rows of a folder's cases.csv."""
    with (folder / "cases.csv").open(newline="", encoding="utf-8-sig") as handle:
        return [
            Case(
                folder,
                row["file"],
                row["kind"].strip(),
                (row.get("expected") or "").strip(),
                float(row.get("tolerance") or 0),
                row.get("what") or "",
            )
            for row in csv.DictReader(handle)
        ]


def inner_words(text: str) -> str:
    """The first name of an exception or address in an error's text, '' where there is none."""
    result = _INNER_WORDS.search(text)
    return result.group() if result else ""


def fault_of(case: Case) -> str:
    """What is wrong with how the program takes a case, '' where nothing is."""
    if case.kind not in _KINDS:
        return f"kind {case.kind!r}: expected one of {', '.join(_KINDS)}"
    with warnings.catch_warnings(record=True) as reported:
        warnings.simplefilter("always")
        try:
            fault = _KINDS[case.kind](case, reported)
        except UlnaError as error:
            fault = f"refused: {error}"
        except Exception as error:
            fault = f"ended in {type(error).__name__}: {error}"
    non_radiograph = [w for w in reported if not issubclass(w.category, UlnaWarning)]
    if non_radiograph and not fault:
        fault = f"lets out {non_radiograph[0].category.__name__}: {non_radiograph[0].message}"
    return fault


def _pixels(case: Case, reported: list[warnings.WarningMessage]) -> str:
    result = read_radiograph(case.path).pixels
    expected = np.load(case.folder / case.expected, allow_pickle=False)
    if result.shape != expected.shape:
        return f"read as {result.shape}: expected {expected.shape}"
    away = np.abs(result.astype(np.float64) - expected)
    if not away.max() <= case.tolerance:
        place = np.unravel_index(np.argmax(away), away.shape)
        return (
            f"off by {away.max():.4f} at {tuple(int(i) for i in place)} (mean {away.mean():.4f}): "
            f"expected at most {case.tolerance:g}"
        )
    return ""


def _note(case: Case, reported: list[warnings.WarningMessage]) -> str:
    read_radiograph(case.path)
    notes = [str(w.message) for w in reported if issubclass(w.category, UlnaWarning)]
    if not notes:
        return "read without a note"
    return "" if any(case.expected in n for n in notes) else f"no note says {case.expected!r}"


def _refuse(case: Case, reported: list[warnings.WarningMessage]) -> str:
    try:
        read_radiograph(case.path)
    except UlnaError as error:
        inner = inner_words(str(error))
        if not str(error).strip() or len(str(error).splitlines()) > 1:
            return f"refused, but not in one line: {str(error)!r}"
        return f"refused, but the text holds {inner!r}: {error}" if inner else ""
    return "read, and it must be refused"


def _part(case: Case, reported: list[warnings.WarningMessage]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(case.path, Path(folder) / case.path.name)
        (study,) = index_dicom(folder)
    result = str(study.body_part) if study.body_part else "none"
    return "" if result == case.expected else f"body part {result}: expected {case.expected}"


_KINDS: dict[str, Callable[[Case, list[warnings.WarningMessage]], str]] = {
    "pixels": _pixels,
    "note": _note,
    "refuse": _refuse,
    "part": _part,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    if not (folder / "cases.csv").is_file():
        print(f"{folder}: no cases.csv there: expected a folder of images with what must be read")
        return 2
    cases = read_cases(folder)
    faults = [(case, fault) for case in cases if (fault := fault_of(case))]
    width = max((len(case.file) for case, _ in faults), default=0)
    for case, fault in faults:
        print(f"{case.file:{width}}  {case.kind:6}  {fault}")
        if case.what:
            print(f"{'':{width}}          ({case.what})")
    counts = ", ".join(f"{n} {kind}" for kind, n in Counter(c.kind for c in cases).items())
    print(f"{len(cases)} cases ({counts}): {len(cases) - len(faults)} right, {len(faults)} wrong")
    return 1 if faults or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
