"""Makes a student the bundle that comes with the package: ship_student.py BUNDLE [--accept WHY]

The student must be calibrated, have passed the gate of `ulna distil` and weigh at most 8 MB. It
replaces src/ulna/bundle/student, which answers wherever no bundle is given. One whose AUROC the
gate refused, and which `ulna distil --accept` let through, is shipped with --accept alone: the
reason is kept beside it, and `ulna info` goes on to name what the gate found.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path, PurePath

from ulna.bundle import STUDENT_BUNDLE, Manifest, read_bundle
from ulna.bundle.distilled import MOST_BYTES, StudentParity, parity_lines
from ulna.bundle.io import write_manifest
from ulna.config.recipe import InitialWeights
from ulna.errors import UlnaError

ATTRIBUTION = "ATTRIBUTION.md"
"""Beside the bundle: whose images it has learned from, under which licence."""
ACCEPTED = "ACCEPTED.md"
"""Beside a bundle that the gate refused: why it comes with the package all the same."""


def faults(folder: Path, accept: str = "") -> list[str]:
    """Why the bundle in `folder` may not be shipped; empty where it may.

    accept: why one is shipped whose AUROC the gate refused; '' for none such.
    """
    bundle = read_bundle(folder)
    manifest = bundle.manifest
    result = [] if bundle.calibrated else ["it is not calibrated"]
    if manifest.distilled is None or manifest.distilled.parity is None:
        result.append("no gate has compared it with a teacher: expected a bundle of `ulna distil`")
    elif not (accept and manifest.distilled.parity.forced):
        result += manifest.distilled.parity.refusals
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > MOST_BYTES:
        result.append(f"{size / 1e6:.1f} MB, expected at most {MOST_BYTES / 1e6:.0f}")
    if manifest.demonstration:
        result.append("it learned from simulated images alone: the demonstration is there already")
    return result


def ship(
    folder: Path, target: Path = STUDENT_BUNDLE, accept: str = "", attribution: str = ""
) -> StudentParity:
    """Copy the bundle in `folder` to `target`; what its gate found.

    Raises UlnaError with what speaks against it.
    """
    if why := faults(folder, accept):
        raise UlnaError(f"{folder}: not shipped: {'; '.join(why)}")
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(folder, target)
    manifest = without_places(read_bundle(target).manifest)
    write_manifest(manifest, target)
    distilled = manifest.distilled
    assert distilled is not None and distilled.parity is not None
    if distilled.parity.refusals:
        message = f"The gate refused it: {'; '.join(distilled.parity.refusals)}.\n\n{accept}\n"
        (target / ACCEPTED).write_text(message, encoding="utf-8")
    if attribution:
        (target / ATTRIBUTION).write_text(f"{attribution}\n", encoding="utf-8")
    return distilled.parity


def without_places(manifest: Manifest) -> Manifest:
    """The same with no folder of this machine in it: of a start's absolute path the name stays."""
    experts = tuple(replace(e, initial=_named(e.initial)) for e in manifest.experts)
    configs = tuple(replace(e, initial=_named(e.initial)) for e in manifest.recipe.experts)
    return replace(manifest, experts=experts, recipe=replace(manifest.recipe, experts=configs))


def _named(start: InitialWeights) -> InitialWeights:
    path = PurePath(start.path)
    return replace(start, path=path.name) if path.is_absolute() else start


def main() -> None:
    parser = argparse.ArgumentParser(description="Ship a student with the package.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--accept", default="", metavar="WHY", help="Of one that the gate refused.")
    parser.add_argument("--attribution", default="", metavar="TEXT", help="Whose images, licence.")
    given = parser.parse_args()
    try:
        parity = ship(given.bundle, accept=given.accept, attribution=given.attribution)
    except UlnaError as error:
        sys.exit(str(error))
    print("\n".join(parity_lines(parity)))
    print(f"{STUDENT_BUNDLE} answers where no bundle is given")


if __name__ == "__main__":
    main()
