"""Makes a student the bundle that comes with the package: ship_student.py BUNDLE

The student must be calibrated, have passed the gate of `ulna distil` and weigh at most 8 MB. It
replaces src/ulna/bundle/student, which answers wherever no bundle is given.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ulna.bundle import STUDENT_BUNDLE, read_bundle
from ulna.bundle.distilled import MOST_BYTES, parity_lines
from ulna.errors import UlnaError


def faults(folder: Path) -> list[str]:
    """Why the bundle in `folder` may not be shipped; empty where it may."""
    bundle = read_bundle(folder)
    manifest = bundle.manifest
    found = [] if bundle.calibrated else ["it is not calibrated"]
    if manifest.distilled is None or manifest.distilled.parity is None:
        found.append("no gate has compared it with a teacher: expected a bundle of `ulna distil`")
    else:
        found += manifest.distilled.parity.refusals
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > MOST_BYTES:
        found.append(f"{size / 1e6:.1f} MB, expected at most {MOST_BYTES / 1e6:.0f}")
    if manifest.demonstration:
        found.append("it learned from simulated films alone: the demonstration is there already")
    return found


def ship(folder: Path, target: Path = STUDENT_BUNDLE) -> None:
    """Copy the bundle in `folder` to `target`. Raises UlnaError with what speaks against it."""
    if why := faults(folder):
        raise UlnaError(f"{folder}: not shipped: {'; '.join(why)}")
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(folder, target)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: ship_student.py BUNDLE")
    try:
        ship(Path(sys.argv[1]))
    except UlnaError as error:
        sys.exit(str(error))
    manifest = read_bundle(STUDENT_BUNDLE).manifest
    assert manifest.distilled is not None and manifest.distilled.parity is not None
    print("\n".join(parity_lines(manifest.distilled.parity)))
    print(f"{STUDENT_BUNDLE} answers where no bundle is given")


if __name__ == "__main__":
    main()
