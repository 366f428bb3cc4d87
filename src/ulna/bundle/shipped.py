"""The bundles that come with the package, and which of them answers where none is given."""

from __future__ import annotations

from pathlib import Path

DEMONSTRATION_BUNDLE = Path(__file__).parent / "demonstration"
"""A demonstration, learned from simulated images alone; written by scripts/box_bundle.sh, read and
verified like any other bundle."""
STUDENT_BUNDLE = Path(__file__).parent / "student"
"""One network taught by a larger bundle (`ulna distil`), at most 8 MB; put there by
scripts/ship_student.py. Absent from a source tree for which none was made."""


def default_bundle() -> Path:
    """The folder of the bundle that answers where none is given: the student, where there is one.

    Else the demonstration. To replace it: `make student BUNDLE=runs/student/bundle`.
    """
    there = (STUDENT_BUNDLE / "manifest.json").is_file()
    return STUDENT_BUNDLE if there else DEMONSTRATION_BUNDLE


def find_bundle(bundle: Path | str | None = None) -> Path:
    """The folder of a bundle: None for the default one, 'demonstration' for that in the package.

    Any other text is a path, and so is 'demonstration' where a folder of that name is here.
    """
    if bundle is None:
        return default_bundle()
    if str(bundle) == DEMONSTRATION_BUNDLE.name and not Path(bundle).exists():
        return DEMONSTRATION_BUNDLE
    return Path(bundle)
