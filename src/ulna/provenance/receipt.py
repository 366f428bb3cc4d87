"""A receipt: what a reported number was made of, beside the number, as receipt.json.

It names the command, the code, the method, and every file by its SHA-256: those that were read
and those that were written. `verify` computes the numbers again from it and compares.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import ulna
from ulna.config.codec import read_json, write_json
from ulna.digest import file_sha256, lines_sha256
from ulna.errors import ConfigError
from ulna.types import Study

RECEIPT = "receipt.json"
FORMAT = 1
UNKNOWN = "unknown"
_PACKAGES = ("numpy", "scipy", "onnxruntime")
_OPTIONAL = "openvino"
Kind = Literal["evaluate", "crossval", "score", "stress", "review", "examine", "audit"]


@dataclass(frozen=True)
class DataRecord:
    """Which studies were used: `split` in words, and a hash of keys, labels, names and contents.

    name: of the table or folder, without its place.
    """

    name: str
    split: str
    n_studies: int
    n_images: int
    sha256: str


@dataclass(frozen=True)
class InputFile:
    """A file that was read. path: from the receipt's folder, or absolute where given so."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Receipt:
    """What a folder of results was made of, and what is in it.

    command: as given. code: versions and commit. method: settings that decide the numbers
    (draws, seed, operating point, folds, ...). bundles: hash by folder, '' for one that lies
    elsewhere. files: SHA-256 by path from the receipt's folder. Raises ConfigError for another
    format.
    """

    kind: Kind
    command: tuple[str, ...]
    code: Mapping[str, str]
    method: Mapping[str, Any]
    files: Mapping[str, str]
    data: DataRecord | None = None
    bundles: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, InputFile] = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ConfigError(
                f"receipt of format {self.format}: this Ulna reads format {FORMAT}: update Ulna"
            )


def write_receipt(receipt: Receipt, folder: Path) -> None:
    """Write `folder/receipt.json`; the same result has the same receipt, byte for byte."""
    write_json(receipt, folder / RECEIPT)


def find_receipt(given: Path) -> Path:
    """The receipt that `given` is or holds. Raises ConfigError where there is none."""
    file = given / RECEIPT if given.is_dir() else given
    if not file.is_file():
        raise ConfigError(
            f"{file}: no receipt: expected receipt.json, or the folder of `ulna evaluate`, "
            "`crossval`, `score`, `stress`, `review`, `examine` or `audit` that holds one; make "
            "the results again"
        )
    return file


def read_receipt(file: Path) -> Receipt:
    """The receipt in `file`. Raises ConfigError for one that is damaged or of another format."""
    return read_json(Receipt, file)


def code_versions() -> dict[str, str]:
    """Versions of Ulna, Python and what computes; the git commit, with '+' if files differ."""
    result = {"ulna": ulna.__version__, "commit": _commit(), "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            result[name] = version(name)
        except PackageNotFoundError:
            result[name] = UNKNOWN
    if find_spec(_OPTIONAL) is not None:
        result[_OPTIONAL] = version(_OPTIONAL)
    return result


def _commit() -> str:
    package = Path(ulna.__file__).resolve().parent
    root = package.parents[1]
    if not (root / ".git").exists():  # else the commit of whatever an environment lies in
        return UNKNOWN
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + "+" * bool(_git(root, "status", "--porcelain", "--", str(package)))
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def hash_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each named file of `folder`. Raises OSError for one that is not there."""
    return {name: file_sha256(folder / name) for name in sorted(names)}


def describe_data(studies: Sequence[Study], name: str, split: str) -> DataRecord:
    """Hash of the sorted keys, labels, image names and image contents of `studies`.

    An image that cannot be opened counts as that.
    """
    lines = [
        f"{s.key}|{s.abnormal}|{[(i.path.name, _content(i.path)) for i in s.images]}"
        for s in studies
    ]
    return DataRecord(
        name=name,
        split=split,
        n_studies=len(studies),
        n_images=sum(len(s.images) for s in studies),
        sha256=lines_sha256(lines),
    )


def _content(file: Path) -> str:
    try:
        return file_sha256(file)
    except OSError:
        return "cannot be opened"
