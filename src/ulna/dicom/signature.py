"""Detect DICOM files by their first bytes, without importing a parser."""

from __future__ import annotations

from pathlib import Path

# Files without preamble begin with group 0002 or 0008, little endian, or with the prefix DICM.
_BARE = (b"\x02\x00", b"\x08\x00", b"DICM\x02\x00")


def looks_like_dicom(data: bytes) -> bool:
    """Whether the first bytes are those of a DICOM file, with or without a preamble."""
    big_endian = data[:2] == b"\x00\x08" and data[4:6].isalpha() and data[4:6].isupper()
    return data[128:132] == b"DICM" or data.startswith(_BARE) or big_endian


def is_dicom_file(path: Path) -> bool:
    """Return `looks_like_dicom` of a file's first bytes, False if it cannot be read.

    Pipes and devices are not opened, since reading them might block forever.
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as handle:
            return looks_like_dicom(handle.read(132))
    except (OSError, ValueError):
        return False


def has_preamble(path: Path) -> bool:
    """Whether a file has the preamble and prefix of PS3.10 7.1, which are unique to DICOM."""
    try:
        with path.open("rb") as handle:
            return handle.read(132)[128:] == b"DICM"
    except OSError:
        return False
