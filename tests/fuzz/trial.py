"""One file through `read_radiograph`: what came out, how long it took, how much memory."""

from __future__ import annotations

import resource
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scripts.cases import inner_words

from ulna.errors import ImageError, UlnaError, UlnaWarning
from ulna.imaging import read_radiograph

MOST_SECONDS = 2.0
MOST_BYTES = 512 * 2**20
_LONGEST_TEXT = 700


@dataclass(frozen=True)
class Trial:
    """outcome: 'answered', 'refused'. fault: '' if all is well. seconds: of the processor's time,
    children included, since a busy machine is no fault. peak: bytes in memory, at the most, of this
    process (without what it held before for others) or of a child. died: the signal that ended a
    child, 0 for none.
    """

    outcome: str
    fault: str
    seconds: float
    peak: int
    died: int = 0


_FRESH_BYTES = 160 * 2**20
"""What the reader and its libraries take; what a process holds beyond that is of other tests."""
children: list[tuple[int, int]] = []
"""(bytes in memory at the most, how it ended) of the decoding children of the trial at work."""


def tried(data: bytes, name: str) -> Trial:
    """What `read_radiograph` makes of `data`."""
    children.clear()
    _forget_peak()
    outliers = max(0, _peak() - _FRESH_BYTES)
    began = _processor_seconds()
    outcome, fault = _outcome(data, name)
    seconds = _processor_seconds() - began
    peak = max([_peak() - outliers, *(size for size, _ in children)])
    if not fault and seconds > MOST_SECONDS:
        fault = f"took {seconds:.1f} s"
    if not fault and peak > MOST_BYTES:
        fault = f"took {peak / 2**20:.0f} MB"
    died = next((-code for _, code in children if code < 0), 0)
    return Trial(outcome, fault, seconds, peak, died)


def _outcome(data: bytes, name: str) -> tuple[str, str]:
    with warnings.catch_warnings(record=True) as reported:
        warnings.simplefilter("always")
        try:
            outcome, fault = "answered", _fault_of_answer(read_radiograph(data, name).pixels)
        except UlnaError as error:
            outcome, fault = "refused", _fault_of_error(error, name)
        except Exception as error:
            outcome, fault = "refused", f"untyped: {type(error).__name__}: {error} {_where(error)}"
    for warning in reported:
        if not issubclass(warning.category, UlnaWarning):
            fault = fault or f"lets out {warning.category.__name__}: {warning.message}"
        else:
            inner = inner_words(str(warning.message))
            fault = fault or (f"{inner!r} in a note: {warning.message}" if inner else "")
    return outcome, fault


def _where(error: BaseException) -> str:
    """The lines of Ulna that it went through."""
    lines, trace = [], error.__traceback__
    while trace:
        lines.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return "<".join(reversed(lines[-4:]))


def _fault_of_answer(pixels: np.ndarray) -> str:
    if pixels.ndim != 2 or pixels.dtype != np.float32 or min(pixels.shape) < 16:
        return f"an answer of {pixels.dtype}, {pixels.shape}"
    low, high = float(pixels.min()), float(pixels.max())
    return "" if low >= 0 and high <= 1 else f"an answer from {low} to {high}"


def _fault_of_error(error: UlnaError, name: str) -> str:
    text = str(error)
    if not isinstance(error, ImageError):
        return f"a {type(error).__name__}, no ImageError: {text}"
    if name not in text or "\n" in text or len(text) > _LONGEST_TEXT:
        return f"a text without the file's name, of several lines or too long: {text!r}"
    inner = inner_words(text)
    return f"{inner!r} in an error's text: {text}" if inner else ""


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _forget_peak() -> None:
    """Where Linux lets a process do so; elsewhere the peak is that of all trials so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
