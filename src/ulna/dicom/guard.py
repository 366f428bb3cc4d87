"""Checks of a DICOM file's bytes before a parser or a decoder spends memory on them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pydicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from ulna.errors import DicomError

MAX_INFLATED = 512 * 2**20
"""Largest inflated data set, in bytes; a 1.6 MB deflated file can need gigabytes."""
MAX_DEPTH = 64
"""Deepest nesting of sequences; reports have about 10."""
_META_START = 132


def parse(data: bytes, name: str, *, pixels: bool) -> pydicom.Dataset:
    """The data set in a file's bytes, without its pixel data if `pixels` is False.

    Raises DicomError with `name` for bytes that do not parse, that inflate to more than
    MAX_INFLATED or nest deeper than MAX_DEPTH.
    """
    _check_inflated(data, name)
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=not pixels)
        _check_depth(dataset, name)
        _assume_syntax(dataset)
    except DicomError:
        raise
    except RecursionError:
        raise DicomError(f"{name}: sequences nest too deep: expected {MAX_DEPTH} levels") from None
    except Exception as error:  # damaged files raise some twenty unrelated types in the parser
        raise DicomError(
            f"{name}: damaged or cut short DICOM file ({type(error).__name__}: {error}): "
            "copy it again from its source"
        ) from None
    return dataset


def _assume_syntax(dataset: pydicom.FileDataset) -> None:
    """Files without group 0002 are uncompressed, in the encoding that they parsed in."""
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _check_depth(dataset: pydicom.Dataset, name: str) -> None:
    """Walk level by level, not by recursion: the parser reads sequences when they are touched."""
    level: list[Any] = [dataset]
    for _ in range(MAX_DEPTH + 1):
        inner = [e for d in level for e in d if e.VR == "SQ"]
        level = [d for e in inner for d in e.value]
        if not level:
            return
    raise DicomError(f"{name}: sequences nest deeper than {MAX_DEPTH}: expected a radiograph")


def _check_inflated(data: bytes, name: str) -> None:
    """PS3.10 7.1: preamble, DICM, group 0002 (its length first), then the deflated data set."""
    uid = DeflatedExplicitVRLittleEndian.encode()
    if data[128:132] != b"DICM" or uid not in data[_META_START : _META_START + 2048]:
        return
    if len(data) < _META_START + 12:
        raise DicomError(f"{name}: cut short after the preamble: copy it again")
    start = _META_START + 12 + struct.unpack_from("<I", data, _META_START + 8)[0]
    stream, rest, total = zlib.decompressobj(-zlib.MAX_WBITS), data[start:], 0
    try:
        while rest and not stream.eof:
            piece = stream.decompress(rest, 1 << 20)
            total, rest = total + len(piece), stream.unconsumed_tail
            if total > MAX_INFLATED:
                raise DicomError(f"{name}: inflates to more than {MAX_INFLATED} bytes: refused")
            if not piece:
                break
    except zlib.error as error:
        raise DicomError(f"{name}: damaged deflated data set ({error})") from None
