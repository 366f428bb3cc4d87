"""A process of its own for decoders that a damaged stream might end, or fill the memory with.

    python -m ulna.dicom.child KIND [END] < codestream > pixels.npy

Bounded in memory by itself, in time by its parent. Ends with 0, DAMAGED or MISSING.
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
BYTES = 3 * 2**30
DAMAGED, MISSING = 1, 3


def is_installed() -> bool:
    """Whether the package that decodes in the child is there: the extra ulna[dicom]."""
    return importlib.util.find_spec("imagecodecs") is not None


def filled(codestream: bytes, end: int) -> bytes:
    """A JPEG stream with filler where its entropy-coded data end.

    libjpeg invents what a stream cut short lacks, in silence. Bytes that it does not need change
    nothing; where it does need them, another filler gives other pixels.
    """
    return codestream[:end] + b"\x55" * 64 + b"\xff\xd9"


def decode_in_child(kind: str, codestream: bytes, end: int = 0) -> npt.NDArray[Any]:
    """The samples of a compressed frame; `end`: where the data of a JPEG stream end.

    Raises DicomError where the child has none to give.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    try:
        child = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "ulna.dicom.child", kind, str(end)],
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


def _limit_memory() -> None:
    """RLIMIT_AS where the system has it; elsewhere the header's pixel count is the bound."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))


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
    _limit_memory()
    output = os.dup(1)
    os.dup2(2, 1)  # decoders print to standard output
    try:
        decode = _decoder(sys.argv[1])
    except ImportError:
        return MISSING
    codestream, end = sys.stdin.buffer.read(), int(sys.argv[2])
    try:
        pixels = np.asarray(decode(codestream))
        if end and not np.array_equal(pixels, decode(filled(codestream, end))):
            return DAMAGED
    except Exception as error:  # each decoder has its own error types
        print(error, file=sys.stderr)
        return DAMAGED
    buffer = io.BytesIO()  # np.save wants to know the position in a real file: a pipe has none
    np.save(buffer, pixels, allow_pickle=False)
    with os.fdopen(output, "wb") as stream:
        stream.write(buffer.getbuffer())
    return 0


if __name__ == "__main__":
    sys.exit(_main())
