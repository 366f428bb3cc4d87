"""Decode a codestream in a child process, so that a damaged one cannot crash or exhaust the parent.

    python -m ulna.dicom.decoder_process KIND PIXELS END < codestream > pixels.npy

The child limits its own memory and CPU time in proportion to the number of pixels in the header,
and its parent limits the wall time. Exit codes are 0, DAMAGED and MISSING.
"""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ulna.errors import DicomError

SECONDS = 60
"""Limit of wall time, for a machine under load; the limit of CPU time is far lower."""
_PIXELS_PER_SECOND = 1_000_000
_BYTES, _BYTES_PER_PIXEL = 128 * 2**20, 48
DAMAGED, MISSING = 1, 3


def is_installed() -> bool:
    """Whether the package for decoding (imagecodecs, extra ulna[dicom]) is installed."""
    return importlib.util.find_spec("imagecodecs") is not None


def with_filler(codestream: bytes, end: int) -> bytes:
    """Return a JPEG stream with filler bytes after its entropy-coded data.

    libjpeg silently invents the missing data of a truncated stream. If the data are complete, the
    filler does not change the pixels; if they are not, it does.
    """
    return codestream[:end] + b"\x55" * 64 + b"\xff\xd9"


def decode_in_child(kind: str, codestream: bytes, pixels: int, end: int = 0) -> npt.NDArray[Any]:
    """Decode a compressed frame. end: end of the data of a JPEG stream, 0 to skip that check.

    Raises DicomError for a missing decoder, a timeout and a damaged frame.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-W", "ignore", "-m", "ulna.dicom.decoder_process", kind]
    try:
        child = subprocess.run(
            [*command, str(pixels), str(end)],
            input=codestream,
            capture_output=True,
            timeout=SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DicomError(f"its {kind} decoder was stopped after {SECONDS} s") from None
    if child.returncode == MISSING:
        raise DicomError(f"{kind} needs a decoder: pip install 'ulna[dicom]'")
    if child.returncode != 0:
        raise DicomError(f"its {kind} frame of {len(codestream)} bytes is damaged or cut short")
    return np.asarray(np.load(io.BytesIO(child.stdout), allow_pickle=False))


def _limit(pixels: int) -> None:
    """Limit CPU time and memory beyond those used so far, on systems that have such limits.

    A damaged JPEG-LS stream of 15 kB kept its decoder busy for ten seconds.
    """
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = round(used.ru_utime + used.ru_stime) + 1 + pixels // _PIXELS_PER_SECOND
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    try:
        with open("/proc/self/statm") as statm:
            held = int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:
        return
    size = held + _BYTES + _BYTES_PER_PIXEL * pixels
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _decoder(kind: str) -> Callable[[bytes], Any]:
    import imagecodecs

    if kind == "JPEG XL":
        return lambda stream: imagecodecs.jpegxl_decode(stream, numthreads=1)
    decoders: dict[str, Callable[[bytes], Any]] = {
        "JPEG": imagecodecs.jpeg8_decode,
        "JPEG-LS": imagecodecs.jpegls_decode,
        "JPEG 2000": imagecodecs.jpeg2k_decode,
    }
    return decoders[kind]


def _main() -> int:
    output = os.dup(1)
    os.dup2(2, 1)  # since decoders print to standard output
    try:
        decode = _decoder(sys.argv[1])
    except ImportError:
        return MISSING
    codestream, end = sys.stdin.buffer.read(), int(sys.argv[3])
    _limit(int(sys.argv[2]))
    try:
        pixels = np.asarray(decode(codestream))
        if end and not np.array_equal(pixels, decode(with_filler(codestream, end))):
            return DAMAGED
    except Exception as error:  # each decoder has its own error types
        print(error, file=sys.stderr)
        return DAMAGED
    buffer = io.BytesIO()  # np.save needs a seekable file, which a pipe is not
    np.save(buffer, pixels, allow_pickle=False)
    with os.fdopen(output, "wb") as stream:
        stream.write(buffer.getbuffer())
    return 0


if __name__ == "__main__":
    sys.exit(_main())
