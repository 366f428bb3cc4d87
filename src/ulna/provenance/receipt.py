"""The receipt of a folder of results, receipt.json, which records how its numbers were computed.

It has the command, the versions of the code, the settings, and the SHA-256 of every file that was
read or written. `ulna verify` recomputes the numbers and compares them.
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
    """The studies that were used, with a hash of their keys, labels, image names and contents.

    name is that of the table or folder, without its path. split is in words.
    """

    name: str
    split: str
    n_studies: int
    n_images: int
    sha256: str


@dataclass(frozen=True)
class InputFile:
    """A file that was read; `path` is absolute or relative to the receipt's folder."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Receipt:
    """The record of how a folder of results was computed, and of its files.

    command is the command line. code has versions and commit. method has the settings that
    determine the numbers (draws, seed, operating point, folds, ...). bundles are hashes by folder,
    '' for a bundle elsewhere. files are SHA-256 by path relative to the receipt's folder. Raises
    ConfigError for another format.
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
                f"receipt of format {self.format}: expected {FORMAT}: use another version of Ulna"
            )


def write_receipt(receipt: Receipt, folder: Path) -> None:
    """Write `folder/receipt.json`; equal results have equal receipts, byte for byte."""
    write_json(receipt, folder / RECEIPT)


def find_receipt(path: Path) -> Path:
    """Return `path`, a file, or the receipt in that folder. Raises ConfigError without one."""
    file = path / RECEIPT if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(
            f"{file}: no receipt: expected receipt.json, or the folder of `ulna evaluate`, "
            "`crossval`, `score`, `stress`, `review`, `examine` or `audit` that has one; compute "
            "the results again"
        )
    return file


def read_receipt(file: Path) -> Receipt:
    """Read the receipt in `file`. Raises ConfigError if it is damaged or of another format."""
    return read_json(Receipt, file)


def code_versions() -> dict[str, str]:
    """Return versions of Ulna, Python and packages, and the git commit, '+' if files differ."""
    versions = {"ulna": ulna.__version__, "commit": _commit(), "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = UNKNOWN
    if find_spec(_OPTIONAL) is not None:
        versions[_OPTIONAL] = version(_OPTIONAL)
    return versions


def _commit() -> str:
    package = Path(ulna.__file__).resolve().parent
    root = package.parents[1]
    if not (root / ".git").exists():  # git would find a repository around the environment
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
    """Return the SHA-256 of each named file of `folder`. Raises OSError for a missing file."""
    return {name: file_sha256(folder / name) for name in sorted(names)}


def describe_data(studies: Sequence[Study], name: str, split: str) -> DataRecord:
    """Return the counts of `studies`, and a hash of keys, labels, image names and contents.

    The hash does not depend on the order of studies. Images that cannot be opened all count as
    the same content.
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
