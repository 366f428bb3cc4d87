"""The exceptions and warnings of Ulna.

The hierarchy, with the exit code of the command line in brackets::

    UlnaError [1]
    ├── ConfigError [2]          an invalid setting, flag or recipe
    ├── DatasetError [3]         a folder, table or label that cannot be used as data
    │   └── SplitError [3]       a split in which a patient would be on two sides
    ├── ImageError [4]           one file that is not a usable radiograph
    │   └── DicomError [4]       the same, for a DICOM object
    ├── BundleError [5]          a model bundle that is missing, damaged or of another version
    ├── WeightsError [6]         initial weights that are not there or do not fit
    ├── TrainingError [7]        training that cannot continue (no data, values not finite)
    ├── DependencyError [8]      an optional package that this command needs is not installed
    ├── VerificationError [9]    a file or number that differs from its receipt
    └── IncompleteError [10]     some studies lack their prediction, map or score; others have them

A message states what was received, what was expected and how to fix it. Any other exception is
a defect of Ulna, except errors of the operating system and exhausted resources (`message_of`).
"""

from __future__ import annotations

import errno
import logging


class UlnaError(Exception):
    """Base class of Ulna's errors; `exit_code` is the exit code of the command line.

    source: the input that could not be used, where an error is yielded in place of an answer
    (`Reader.predict_each`); else None.
    """

    exit_code = 1
    source: object = None


class ConfigError(UlnaError):
    exit_code = 2


class DatasetError(UlnaError):
    exit_code = 3


class SplitError(DatasetError):
    exit_code = 3


class ImageError(UlnaError):
    exit_code = 4


class DicomError(ImageError):
    exit_code = 4


class BundleError(UlnaError):
    exit_code = 5


class WeightsError(UlnaError):
    exit_code = 6


class TrainingError(UlnaError):
    exit_code = 7


class DependencyError(UlnaError):
    exit_code = 8


class VerificationError(UlnaError):
    exit_code = 9


class IncompleteError(UlnaError):
    exit_code = 10


class UlnaWarning(UserWarning):
    """Base class of Ulna's warnings: the input was used, with a reservation."""


class ImageWarning(UlnaWarning):
    """An image was read, but something in its file was repaired or ignored."""


class WeightsWarning(UlnaWarning):
    """Initial weights are used with a reservation: downloaded, or trained on other input."""


class DatasetWarning(UlnaWarning):
    """A data set was indexed, but it differs from what was expected."""


# Exhausted resources and failing devices; the error often names no file.
EXHAUSTED = {
    errno.ENOSPC: "free some space, then give the same command again",
    errno.EDQUOT: "free some of your quota, then give the same command again",
    errno.EFBIG: "expected a file system that takes files of this size: give another folder",
    errno.EIO: "the disk or the network behind it fails: give another folder",
    errno.EROFS: "expected a place that can be written to: give another folder",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has no open files left",
    errno.ENOMEM: "free some memory, then give the same command again",
}
_ADVICE = {
    errno.ENOENT: "expected it there, or a place where it can be made: look at the path",
    errno.EACCES: "expected what you may read, or write to: change its permissions",
    errno.EPERM: "expected what you may read, or write to: change its permissions",
    errno.EEXIST: "expected a folder, new or not: give another name",
    errno.ENOTDIR: "expected a folder where a file is: give another path",
    errno.EISDIR: "expected a file where a folder is: give another path",
    errno.ENAMETOOLONG: "expected a shorter name",
    **EXHAUSTED,
}
MEMORY_ADVICE = (
    "ask for less at a time (fewer --jobs or --workers, a smaller batch_size, fewer or smaller "
    "images), or free some memory"
)
# Messages of PyTorch, ONNX Runtime, OpenVINO and C++, which raise no MemoryError.
_NO_MEMORY = (
    "out of memory",
    "out of host memory",
    "allocate memory",
    "bad_alloc",
    "bad allocation",
)


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that the host or an accelerator ran out of memory."""
    if isinstance(error, UlnaError):
        return False
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if type(error).__name__ == "BrokenProcessPool":  # one of its processes was killed
        return True
    return any(words in str(error).lower() for words in _NO_MEMORY)


def is_system_error(error: BaseException) -> bool:
    """Whether `error` came from the operating system: a file it refused, or no resources left."""
    named = isinstance(error, OSError) and error.filename is not None
    return named or getattr(error, "errno", None) in EXHAUSTED or out_of_memory(error)


def message_of(error: BaseException) -> str:
    """Return a message of one line for any error: what happened, and what to do.

    An UlnaError provides its own message. For other errors the message names the file that the
    system refused, the lack of memory, or a defect of Ulna.
    """
    if isinstance(error, UlnaError):
        return str(error)
    if isinstance(error, OSError) and is_system_error(error):
        where = "" if error.filename is None else f"{error.filename}: "
        advice = _ADVICE.get(error.errno or 0)
        return f"{where}{error.strerror}{f': {advice}' if advice else ''}"
    if out_of_memory(error):
        return f"out of memory: {MEMORY_ADVICE}"
    # Shows the traceback to `--debug` and to programs that use the package.
    logging.getLogger("ulna").error("a defect met by one study or file", exc_info=error)
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{message} (a defect of Ulna, not of the file: report it)"
