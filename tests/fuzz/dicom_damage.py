"""What befalls DICOM files: lengths, VRs, tags and the values that describe the picture."""

from __future__ import annotations

import struct
from random import Random

from tests.fuzz.damage import Damage, nasty

_VRS = b"AEASATCSDADSDTFLFDISLOLTOBODOFOLOVOWPNSHSLSQSSSTSVTMUCUIULUNURUSUTUV"
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
# Of the Image Pixel, Modality LUT and VOI LUT modules: group 0028.
_PICTURE = (0x02, 0x04, 0x06, 0x08, 0x10, 0x11, 0x34, 0x100, 0x101, 0x102, 0x103, 0x106, 0x107)
_PICTURE += (0x120, 0x121, 0x1050, 0x1051, 0x1052, 0x1053, 0x1056, 0x3000, 0x3002, 0x3006, 0x3010)
_TEXTS = (b"nan", b"inf", b"-", b"", b"1e999", b"\\\\\\", b"0", b"-1", b"2047,5", b"MONOCHROME1")
_TEXTS += (
    b"\xff\xfe",
    b"1\\2\\3",
    b"99999999999999999999",
    b" ",
    b"RGB",
    b"1.2.840.10008.1.2.4.70",
)
_TEXTS += (b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.90")


def _elements(data: bytearray) -> list[tuple[int, int, int]]:
    """(start, start of its value, length) of the elements, as far as they can be followed."""
    result, at = [], 132 if data[128:132] == b"DICM" else 0
    while at + 8 <= len(data) and len(result) < 400:
        vr = bytes(data[at + 4 : at + 6])
        if vr in _LONG and at + 12 <= len(data):
            start, (size,) = at + 12, struct.unpack_from("<I", data, at + 8)
        elif vr.isalpha() and vr.isupper():
            start, (size,) = at + 8, struct.unpack_from("<H", data, at + 6)
        else:  # implicit, or an item
            start, (size,) = at + 8, struct.unpack_from("<I", data, at + 4)
        result.append((at, start, 0 if size == 0xFFFFFFFF else size))
        at = start + result[-1][2]
    return result


def length(data: bytearray, rng: Random) -> bytearray:
    if result := _elements(data):
        at, start, size = rng.choice(result)
        width = 4 if start - at == 12 or not bytes(data[at + 4 : at + 6]).isalpha() else 2
        value = rng.choice(
            [size + 1, size - 1, size * 2, int.from_bytes(nasty(rng, 4, "little"), "little")]
        )
        data[start - width : start] = (value % (1 << 8 * width)).to_bytes(width, "little")
    return data


def representation(data: bytearray, rng: Random) -> bytearray:
    if result := _elements(data):
        at = rng.choice(result)[0]
        pick = 2 * rng.randrange(len(_VRS) // 2)
        data[at + 4 : at + 6] = _VRS[pick : pick + 2]
    return data


def tag(data: bytearray, rng: Random) -> bytearray:
    if result := _elements(data):
        at = rng.choice(result)[0]
        new = (
            struct.pack("<HH", 0x28, rng.choice(_PICTURE))
            if rng.random() < 0.7
            else rng.randbytes(4)
        )
        data[at : at + 4] = new
    return data


def picture_value(data: bytearray, rng: Random) -> bytearray:
    """A value of the elements that say what the picture is."""
    wanted = struct.pack("<HH", 0x28, rng.choice(_PICTURE))
    at = data.find(wanted)
    if at < 0:
        return tag(data, rng)
    if bytes(data[at + 4 : at + 6]) in (b"US", b"SS") or data[at + 6 : at + 8] == b"\0\0":
        data[at + 8 : at + 10] = nasty(rng, 2, "little")
        return data
    size = struct.unpack_from("<H", data, at + 6)[0] if at + 8 <= len(data) else 0
    text = rng.choice(_TEXTS)
    data[at + 8 : at + 8 + size] = text[:size].ljust(size, b" ") if rng.random() < 0.5 else text
    return data


def text_value(data: bytearray, rng: Random) -> bytearray:
    """Any element's value, with the length that it then has."""
    short = [f for f in _elements(data) if f[1] - f[0] == 8 and f[2] < 64]
    if short:
        at, start, size = rng.choice(short)
        text = rng.choice(_TEXTS)
        text += b" " * (len(text) % 2)
        data[start : start + size] = text
        data[start - 2 : start] = struct.pack("<H", len(text))
    return data


def doubled(data: bytearray, rng: Random) -> bytearray:
    """An element twice, or in another place."""
    if result := _elements(data):
        at, start, size = rng.choice(result)
        to = rng.choice(result)[0]
        data[to:to] = data[at : start + min(size, 5000)]
    return data


def stream(data: bytearray, rng: Random) -> bytearray:
    """Bytes of the pixel data, which compressed streams feel."""
    at = max(data.find(b"\xe0\x7f\x10\x00"), 0)
    for _ in range(rng.choice((1, 2, 8, 32))):
        if at + 12 < len(data):
            data[min(at + 8 + int(rng.expovariate(1 / 60)), len(data) - 1)] = rng.randrange(256)
    return data


DICOM: tuple[Damage, ...] = (
    *(length, representation, tag, picture_value, picture_value, text_value, doubled),
    *(stream, stream),
)
