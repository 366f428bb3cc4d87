"""Every error Ulna raises on purpose.

The tree (exit code of the command line in brackets)::

    UlnaError [1]
    ├── ConfigError [2]          a setting, flag or recipe that makes no sense
    ├── DatasetError [3]         a folder, table or label that cannot be used as data
    │   └── SplitError [3]       a split in which a patient would stand on two sides
    ├── ImageError [4]           one file that is not a usable radiograph
    │   └── DicomError [4]       the same, for a DICOM object
    ├── BundleError [5]          a model bundle that is missing, damaged or of another version
    ├── WeightsError [6]         initial weights that are not there or do not fit
    ├── TrainingError [7]        training that cannot go on (nothing to learn from, not finite)
    ├── DependencyError [8]      an optional package that this command needs is not installed
    └── VerificationError [9]    a file or number that is not what its receipt says

A message says what came, what was expected and how to fix it. Whatever else
escapes a command is a defect of Ulna, not of its input.
"""

from __future__ import annotations


class UlnaError(Exception):
    """Base of all deliberate errors; `exit_code` is what the command line returns."""

    exit_code = 1


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


class UlnaWarning(UserWarning):
    """Base of all deliberate warnings: input that was used, with a reservation."""


class ImageWarning(UlnaWarning):
    """A radiograph was read, but something about it was repaired or ignored."""


class WeightsWarning(UlnaWarning):
    """Initial weights are taken from outside this machine, by a connection."""


class DatasetWarning(UlnaWarning):
    """A data set was indexed, but it differs from what was expected."""
