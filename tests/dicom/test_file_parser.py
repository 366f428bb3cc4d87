"""Files that need too much: deep nesting, inflation, truncation."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from dicom_files import RAMP, encoded, in_syntax, make
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from ulna.dicom import file_parser
from ulna.errors import DicomError
from ulna.imaging import read_radiograph


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("meta", [False, True])
def test_without_preamble(implicit: bool, meta: bool, tmp_path: Path) -> None:
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    whole = in_syntax(syntax, tmp_path)
    start = 132 if meta else 144 + int.from_bytes(whole[140:144], "little")
    np.testing.assert_allclose(read_radiograph(whole[start:]).pixels, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("compressed", [False, True])
def test_cut_short(share: float, compressed: bool) -> None:
    dataset = make()
    if compressed:
        dataset.compress(RLELossless)
    data = encoded(dataset)
    with pytest.raises(DicomError, match="image"):
        read_radiograph(data[: int(len(data) * share)], "image")


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("depth", [70, 500, 3000])
def test_deep_nesting_is_refused(depth: int, undefined: bool) -> None:
    with pytest.raises(DicomError, match=r"image: (sequences nest|damaged)"):
        read_radiograph(_nested(depth, undefined), "image")


def _nested(depth: int, undefined: bool) -> bytes:
    """A data set with `depth` sequences in one another, written by hand."""
    tag, item = b"\x08\x00\x40\x11", b"\xfe\xff\x00\xe0"
    inner = b""
    for _ in range(depth):
        if undefined:
            end = b"\xfe\xff\x0d\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)
            inner = tag + b"SQ\0\0" + b"\xff" * 4 + item + b"\xff" * 4 + inner + end
        else:
            body = item + len(inner).to_bytes(4, "little") + inner
            inner = tag + b"SQ\0\0" + len(body).to_bytes(4, "little") + body
    head = encoded(make())
    start = 144 + int.from_bytes(head[140:144], "little")
    return head[:start] + inner + head[start:]


def test_moderate_nesting_is_fine() -> None:
    np.testing.assert_allclose(read_radiograph(_nested(20, True)).pixels, RAMP / 4095, atol=1e-6)


def test_deflate_bomb_is_refused_without_inflating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_parser, "MAX_INFLATED", 2**22)
    dataset = make()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    head = encoded(dataset)
    start = 144 + int.from_bytes(head[140:144], "little")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(bytes(2**24)) + deflate.flush()
    with pytest.raises(DicomError, match="inflates to more than"):
        read_radiograph(head[:start] + body)
    with pytest.raises(DicomError, match="damaged"):
        read_radiograph(head[:start] + b"\xff\xff\xff")


def test_magic_and_nothing_else() -> None:
    for rest in (b"", b"\x02\x00", bytes(100)):
        with pytest.raises(DicomError):
            read_radiograph(bytes(128) + b"DICM" + rest)
