"""Detect BMP and WebP by their first bytes; they are not supported, but named in messages."""

from __future__ import annotations

# Sizes of the header that follows a BMP's 14 bytes: OS/2 1 and 2, and Windows' own.
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)


def bmp_or_webp(data: bytes) -> str:
    """Return 'BMP' or 'WebP' by the first 18 bytes, '' for anything else.

    Many texts begin with the two letters of BMP, so its header size is checked too.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    size = int.from_bytes(data[14:18], "little")
    return "BMP" if data[:2] == b"BM" and size in _BMP_HEADERS else ""
