"""Images with compressed frames, made by imagecodecs."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from dicom_files import RAMP, encoded, make
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

imagecodecs = pytest.importorskip("imagecodecs", reason="the extra ulna[dicom] is not installed")
JXL, J2K, JPEG_LOSSLESS = (
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.70",
)
JPEG_8, JPEG_12, JPEG_LS = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.80",
)


def image(frames: list[bytes], syntax: str, **attributes: Any) -> bytes:
    """An image with compressed frames; pydicom knows no JPEG XL, so its number is put in last."""
    dataset = make(RAMP, **attributes)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].is_undefined_length = True
    return renamed(encoded(dataset), syntax)


def renamed(data: bytes, syntax: str) -> bytes:
    old, new = (
        f"{uid}\0"[: len(uid) + len(uid) % 2].encode() for uid in (JPEG2000Lossless, syntax)
    )
    grown = len(new) - len(old)
    length = int.from_bytes(data[140:144], "little") + grown
    at = data.index(old)
    head = data[:140] + length.to_bytes(4, "little") + data[144 : at - 2]
    return head + len(new).to_bytes(2, "little") + new + data[at + len(old) :]


def jpeg_2000(values: np.ndarray, **settings: Any) -> bytes:
    settings = {"level": 0, "codecformat": "j2k", "reversible": True, **settings}
    return bytes(imagecodecs.jpeg2k_encode(values, **settings))


def jpeg(values: np.ndarray, **settings: Any) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(values, **settings))


def deflated(raw: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(raw) + stream.flush()


def frame_of(syntax: str, values: np.ndarray) -> bytes:
    number = syntax.removeprefix("1.2.840.10008.1.2.")
    return {
        "1.98": lambda: values.tobytes(),
        "8.1": lambda: deflated(values.tobytes()),
        "4.51": lambda: jpeg(values, bitspersample=12, level=100),
        "4.57": lambda: jpeg(values, lossless=True, predictor=6, bitspersample=16),
        "4.70": lambda: jpeg(values, lossless=True, predictor=1, bitspersample=16),
        "4.80": lambda: imagecodecs.jpegls_encode(values),
        "4.81": lambda: imagecodecs.jpegls_encode(values, level=2),
        "4.90": lambda: jpeg_2000(values),
        "4.91": lambda: jpeg_2000(values, level=90, reversible=False),
        "4.110": lambda: imagecodecs.jpegxl_encode(values, lossless=True),
        "4.112": lambda: imagecodecs.jpegxl_encode(values, lossless=True, bitspersample=12),
        "4.201": lambda: imagecodecs.htj2k_encode(values, reversible=True),
        "4.202": lambda: imagecodecs.htj2k_encode(values, reversible=True, tlm=True),
        "4.203": lambda: imagecodecs.htj2k_encode(values, reversible=False, level=1e-5),
    }[number]()
