"""Is it DICOM: the first bytes say so, and no parser is imported to look at them."""

from __future__ import annotations

from pathlib import Path

# Group 0002 or 0008, little endian: what a data set written without preamble begins with. Some
# leave out the preamble's 128 bytes only.
_BARE = (b"\x02\x00", b"\x08\x00", b"DICM\x02\x00")


def looks_like_dicom(data: bytes) -> bool:
    """Whether the first bytes are those of a DICOM file, with or without a preamble."""
    big_endian = data[:2] == b"\x00\x08" and data[4:6].isalpha() and data[4:6].isupper()
    return data[128:132] == b"DICM" or data.startswith(_BARE) or big_endian


def is_dicom_file(path: Path) -> bool:
    """`looks_like_dicom` of a file's first bytes; False if it cannot be read.

    Pipes and devices are not opened: one that nobody writes to would never answer.
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as handle:
            return looks_like_dicom(handle.read(132))
    except (OSError, ValueError):
        return False
