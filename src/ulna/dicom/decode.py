"""Decode Pixel Data to an array of stored values.

Uncompressed and RLE data are decoded here, 8-bit JPEG, JPEG 2000 and HTJ2K by Pillow, and the rest
by imagecodecs in a child process with limited memory and time (about 0.3 s per image), since a
damaged stream can crash the process that decodes it.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Jpeg2KImagePlugin, JpegImagePlugin
from pydicom.uid import UID, RLELossless

from ulna.dicom import decoder_process
from ulna.dicom.codestream import ITEM, Codestream, first_frame, identify
from ulna.dicom.file_parser import ParsedFile, has_zlib_head
from ulna.dicom.pixel_module import PixelModule, Warn
from ulna.dicom.rle import decode_rle, looks_like_rle
from ulna.errors import DicomError

Pixels = npt.NDArray[Any]

NATIVE = {
    "1.2.840.10008.1.2": "Implicit VR Little Endian",
    "1.2.840.10008.1.2.1": "Explicit VR Little Endian",
    "1.2.840.10008.1.2.1.99": "Deflated Explicit VR Little Endian",
    "1.2.840.10008.1.2.2": "Explicit VR Big Endian",
}
_RAW, _DEFLATED = "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"
# The expected Codestream.kind of each transfer syntax: PS3.6 annex A.
_KINDS = {
    "1.2.840.10008.1.2.4.50": "JPEG",
    "1.2.840.10008.1.2.4.51": "JPEG",
    "1.2.840.10008.1.2.4.57": "JPEG",
    "1.2.840.10008.1.2.4.70": "JPEG",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "JPEG-LS",
    "1.2.840.10008.1.2.4.90": "JPEG 2000",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.110": "JPEG XL",
    "1.2.840.10008.1.2.4.111": "JPEG XL",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.4.201": "JPEG 2000",
    "1.2.840.10008.1.2.4.202": "JPEG 2000",
    "1.2.840.10008.1.2.4.203": "JPEG 2000",
}
# Lossy syntaxes, whose decoded values may exceed the range of Bits Stored.
_LOSSY = tuple(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 81, 91, 111, 112, 203))
SYNTAXES = (*NATIVE, _RAW, _DEFLATED, RLELossless, *_KINDS)
"""The supported transfer syntaxes; docs/data.md lists them."""


def decode_first_frame(parsed: ParsedFile, module: PixelModule, warn: Warn) -> tuple[Pixels, bool]:
    """Decode the first frame: (rows, columns) stored values, and whether they are signed.

    Raises DicomError for damaged or missing pixel data and for a transfer syntax without decoder.
    """
    try:
        pixels, signed = _decoded(parsed, module, warn)
    except DicomError as error:
        raise DicomError(
            f"pixel data in {syntax_name(parsed.syntax)} cannot be decoded: {error}"
        ) from None
    if pixels.shape != (module.rows, module.columns):
        raise DicomError(
            f"a compressed frame of shape {pixels.shape}, where the header says "
            f"({module.rows}, {module.columns}): expected one grey value a pixel"
        )
    if pixels.dtype.kind not in "ui" or pixels.dtype.itemsize > 2:
        raise DicomError("more than 16 bits a pixel in the compressed frame: expected 1 to 16")
    return pixels, signed


def syntax_name(syntax: UID) -> str:
    """Return the name of a transfer syntax for messages, its UID if it has none."""
    kind = _KINDS.get(syntax, "")
    if syntax.name != syntax:
        return str(syntax.name)
    return f"{kind} ({syntax})" if kind else f"transfer syntax {str(syntax)[:64]!r}"


def _decoded(parsed: ParsedFile, module: PixelModule, warn: Warn) -> tuple[Pixels, bool]:
    syntax, element = parsed.syntax, parsed.pixels
    if element is None or element.stop == element.start:
        raise DicomError("there are none")
    native = syntax in NATIVE
    in_items = parsed.data[element.start : element.start + 4] == ITEM
    if native and not element.undefined:
        raw = memoryview(parsed.data)[element.start : element.stop]
        little = parsed.encoding.little
        return _native(raw, module, warn, little=little, vr=element.vr), module.signed
    if not (native or in_items or element.undefined):
        return _not_encapsulated(parsed, module, warn)
    frame = first_frame(
        parsed.data, element, module.frames, one_fragment=syntax in (RLELossless, _DEFLATED)
    )
    form = _form_without_codestream(frame, syntax, module)
    if form == RLELossless:
        if form != syntax:
            warn(f"says {syntax_name(syntax)}, but its frame is RLE: read as such")
        flat = decode_rle(frame, module.rows * module.columns, module.allocated // 8)
        return flat.reshape(module.rows, module.columns), module.signed
    if form == _RAW:
        return _native(frame, module, warn), module.signed
    if form == _DEFLATED:
        return _native(_inflated(frame, module), module, warn), module.signed
    return _compressed(frame, syntax, module, warn)


def _form_without_codestream(frame: bytes, syntax: UID, module: PixelModule) -> str:
    """RLELossless, _RAW or _DEFLATED, detected from the frame; '' for all other syntaxes."""
    if syntax == _RAW and len(frame) >= module.frame_bytes:
        return _RAW  # raw pixels may look like any signature
    if looks_like_rle(frame):
        return RLELossless
    expected = syntax in (RLELossless, _RAW, _DEFLATED) and not identify(frame).kind
    return str(syntax) if expected else ""


def _not_encapsulated(parsed: ParsedFile, module: PixelModule, warn: Warn) -> tuple[Pixels, bool]:
    """Decode Pixel Data of defined length under a compressed syntax: raw, or a bare codestream."""
    assert parsed.pixels is not None
    raw = parsed.data[parsed.pixels.start : parsed.pixels.stop]
    if parsed.syntax not in SYNTAXES:
        raise DicomError("there is no decoder for it")
    if identify(raw).kind:
        return _compressed(raw, parsed.syntax, module, warn)
    warn(f"says {syntax_name(parsed.syntax)}, but its pixel data are not compressed: read as such")
    return _native(raw, module, warn, little=parsed.encoding.little), module.signed


def _native(
    raw: memoryview | bytes, module: PixelModule, warn: Warn, *, little: bool = True, vr: str = ""
) -> Pixels:
    """Decode uncompressed values: PS3.5 8.1.1. One byte may pad them to an even length."""
    pixels, need, have = module.rows * module.columns, module.frame_bytes, len(raw)
    total = need * module.frames
    if have > total + total % 2:
        warn(
            f"{have} bytes of pixel data, but its rows, columns and frames need {total}: the rest "
            "is ignored; if the picture is sheared, its Columns are wrong"
        )
    dtype = np.dtype(np.uint8 if module.allocated == 8 else "<u2" if little else ">u2")
    if have in (pixels, pixels + pixels % 2) and module.allocated == 16 and module.stored <= 8:
        warn("16 bits are allocated, but its pixel data have 8 a pixel: read as such")
        dtype = np.dtype(np.uint8)
    elif have < need:
        raise DicomError(
            f"{have} bytes, but {module.columns} x {module.rows} px in {module.allocated} bits "
            f"need {need}: the file is cut short, or its rows and columns are wrong"
        )
    values = np.frombuffer(raw, dtype, pixels)
    if module.allocated == 8 and not little and vr == "OW":  # bytes in words: PS3.5 8.2, annex A.3
        even = np.frombuffer(raw, np.uint8, have // 2 * 2).reshape(-1, 2)[:, ::-1].reshape(-1)
        values = even[:pixels] if len(even) >= pixels else values
    if dtype.byteorder == ">":
        values = values.astype(np.uint16)
    return values.reshape(module.rows, module.columns)


def _inflated(frame: bytes, module: PixelModule) -> bytes:
    """Inflate a frame (Deflated Image Frame Compression: PS3.5 A.4.12), up to its stated size."""
    window = zlib.MAX_WBITS if has_zlib_head(frame) else -zlib.MAX_WBITS
    try:
        return zlib.decompressobj(window).decompress(frame, module.frame_bytes)
    except zlib.error:
        raise DicomError("its frame does not inflate") from None


def _compressed(frame: bytes, syntax: UID, module: PixelModule, warn: Warn) -> tuple[Pixels, bool]:
    stream, expected = identify(frame), _KINDS.get(syntax, "")
    if not stream.kind:
        if len(frame) in (module.frame_bytes, module.frame_bytes + 1):
            warn(f"says {syntax_name(syntax)}, but its frame is not compressed: read as such")
            return _native(frame, module, warn), module.signed
        raise DicomError(f"its frame of {len(frame)} bytes has no known signature")
    if stream.kind != expected:
        warn(f"says {syntax_name(syntax)}, but its frame is {stream.kind}: read as such")
    if (stream.rows, stream.columns) != (module.rows, module.columns):
        raise DicomError(
            f"its frame has {stream.columns} x {stream.rows} px, where the header says "
            f"{module.columns} x {module.rows}"
        )
    if stream.components != 1:
        raise DicomError(f"its frame has {stream.components} colours: expected one grey value")
    if stream.bits > 8 >= module.allocated:
        raise DicomError(f"its frame has {stream.bits} bits, where the header allocates 8")
    if not stream.ended:
        frame = frame[: stream.end or len(frame)] + b"\xff\xd9"
    # Only JPEG decoders invent missing data, so only JPEG frames are checked for it.
    pixels = _samples(frame, stream if stream.kind == "JPEG" else replace(stream, end=0))
    if not stream.ended:
        warn(f"its {stream.kind} frame has no end marker, but every pixel is there")
    if syntax in _LOSSY:
        pixels = _clipped(pixels, module)
    if stream.signed and not module.signed and int(pixels.min()) < 0:
        warn("Pixel Representation says unsigned, its frame holds values below 0: read as signed")
        return pixels, True
    return pixels, module.signed


def _clipped(pixels: Pixels, module: PixelModule) -> Pixels:
    """Clip overshoot of lossy compression, so that a white of 4097 in 12 bits is not masked to 1.

    Values that are farther out are kept, since they may have an overlay in the bits above.
    """
    signed = pixels.dtype.kind == "i"
    if signed != module.signed or pixels.size == 0:
        return pixels
    low, high = (-1 << module.stored - 1, (1 << module.stored - 1) - 1) if signed else (0, 0)
    high = high or (1 << module.stored) - 1
    over, margin = pixels.astype(np.int32), 1 << max(module.stored - 3, 0)
    outside = ((over > high) & (over <= high + margin)) | ((over < low) & (over >= low - margin))
    return np.where(outside, np.clip(over, low, high), over).astype(pixels.dtype)


def _samples(frame: bytes, stream: Codestream) -> Pixels:
    size = stream.rows * stream.columns
    in_pillow = not stream.lossless and stream.bits <= (8 if stream.kind == "JPEG" else 16)
    if stream.kind not in ("JPEG", "JPEG 2000") or not in_pillow:
        return decoder_process.decode_in_child(stream.kind, frame, size, stream.end)
    try:
        pixels = _by_pillow(frame, stream)
        if pixels is not None and stream.end:
            again = _by_pillow(decoder_process.with_filler(frame, stream.end), stream)
            pixels = pixels if again is not None and np.array_equal(pixels, again) else None
    except Exception:  # Pillow's plugins raise anything on damaged streams
        pixels = None
    if pixels is not None:
        return pixels
    if not decoder_process.is_installed():
        raise DicomError(f"its {stream.kind} frame of {len(frame)} bytes is damaged or cut short")
    return decoder_process.decode_in_child(stream.kind, frame, size, stream.end)


def _by_pillow(frame: bytes, stream: Codestream) -> Pixels | None:
    """Decode with Pillow; None if the result does not have one grey value per pixel."""
    plugin = (
        JpegImagePlugin.JpegImageFile
        if stream.kind == "JPEG"
        else Jpeg2KImagePlugin.Jpeg2KImageFile
    )
    with plugin(io.BytesIO(frame)) as image:
        image.load()
        if image.size != (stream.columns, stream.rows) or image.mode not in ("L", "I;16"):
            return None
        pixels = np.asarray(image)
    if stream.kind == "JPEG":
        return pixels
    # Pillow scales JPEG 2000 samples up to 8 or 16 bits, and offsets signed ones.
    values = (pixels >> (8 * pixels.itemsize - stream.bits)).astype(np.uint16)
    return (values - np.uint16(1 << (stream.bits - 1))).view(np.int16) if stream.signed else values
