"""Pixel data to an array; whatever might abort on damaged streams runs in a child process.

gdcm ends the whole process on some damaged JPEG streams, which no `except` can catch. So
uncompressed and RLE data are decoded here by pydicom itself, JPEG and JPEG 2000 by Pillow
where it can, and the rest in a child with a bound on memory and time (about 0.3 s a file).
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEG2000, UID, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from ulna.errors import DicomError

CHILD_SECONDS = 60
CHILD_BYTES = 3 * 2**30
_PILLOW = (JPEGBaseline8Bit, JPEG2000Lossless, JPEG2000)


def decode_first_frame(dataset: pydicom.Dataset, data: bytes, name: str) -> npt.NDArray[Any]:
    """The stored pixels (H, W) of the first frame; `data` is the whole file.

    Raises DicomError for damaged pixel data and for a transfer syntax without decoder.
    """
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    try:
        pixels = _decode(dataset, syntax, data)
    except Exception as error:  # each decoder has its own error types
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DicomError(
            f"{name}: pixel data in {syntax.name} cannot be decoded ({reason}): the file is "
            "damaged, or the decoder is missing (pip install 'ulna[dicom]')"
        ) from None
    if pixels.ndim != 2:
        raise DicomError(f"{name}: pixels of shape {pixels.shape}: expected (rows, columns)")
    return pixels


def _decode(dataset: pydicom.Dataset, syntax: UID, data: bytes) -> npt.NDArray[Any]:
    # Index 0, so that a file of 1000 frames costs the memory of one.
    if not syntax.is_encapsulated:
        return np.asarray(pixel_array(dataset, index=0, view_only=True))
    if syntax == RLELossless:
        return np.asarray(pixel_array(dataset, index=0, decoding_plugin="pydicom"))
    if syntax in _PILLOW:
        try:
            return np.asarray(pixel_array(dataset, index=0, decoding_plugin="pillow"))
        except Exception as error:  # Pillow lacks some depths: another decoder may have them
            return _decode_in_child(data, str(error))
    return _decode_in_child(data, "")


def _decode_in_child(data: bytes, before: str) -> npt.NDArray[Any]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "ulna.dicom.decode"],
        input=data,
        capture_output=True,
        timeout=CHILD_SECONDS,
        env=environment,
        check=False,
    )
    if child.returncode != 0:
        said = child.stderr.decode("utf-8", "replace").strip().splitlines() or [""]
        raise DicomError(f"{before} {said[-1]} (decoder ended with {child.returncode})".strip())
    return np.asarray(np.load(io.BytesIO(child.stdout), allow_pickle=False))


def _limit_memory() -> None:
    """RLIMIT_AS where the system has it; elsewhere the header's pixel count is the bound."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (CHILD_BYTES, CHILD_BYTES))


def _main() -> int:
    """The child: a DICOM file on standard input, its first frame as .npy on standard output."""
    _limit_memory()
    output = os.dup(1)
    os.dup2(2, 1)  # decoders print to standard output
    try:
        dataset = pydicom.dcmread(io.BytesIO(sys.stdin.buffer.read()), force=True)
        pixels = pixel_array(dataset, index=0)
    except Exception as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    buffer = io.BytesIO()  # np.save wants to know the position in a real file: a pipe has none
    np.save(buffer, pixels, allow_pickle=False)
    with os.fdopen(output, "wb") as stream:
        stream.write(buffer.getbuffer())
    return 0


if __name__ == "__main__":
    sys.exit(_main())
