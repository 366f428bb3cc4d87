"""The bundles that are shipped with the package, and which of them is the default."""

from __future__ import annotations

from pathlib import Path

DEMONSTRATION_BUNDLE = Path(__file__).parent / "demonstration"
"""A demonstration, trained on simulated images only. Written by scripts/box_bundle.sh; read and
verified like any other bundle."""
STUDENT_BUNDLE = Path(__file__).parent / "student"
"""One network distilled from a larger bundle (`ulna distil`), at most 8 MB. Put there by
scripts/ship_student.py; absent from a source tree for which none was made."""


def default_bundle() -> Path:
    """Return the folder of the default bundle: the student if it is there, else the demonstration.

    To replace it: `make student BUNDLE=runs/student/bundle`.
    """
    has_student = (STUDENT_BUNDLE / "manifest.json").is_file()
    return STUDENT_BUNDLE if has_student else DEMONSTRATION_BUNDLE


def find_bundle(bundle: Path | str | None = None) -> Path:
    """Return the folder of a bundle: None for the default, 'demonstration' for the shipped one.

    Any other text is a path, and so is 'demonstration' if the working folder has one of that name.
    """
    if bundle is None:
        return default_bundle()
    if str(bundle) == DEMONSTRATION_BUNDLE.name and not Path(bundle).exists():
        return DEMONSTRATION_BUNDLE
    return Path(bundle)
