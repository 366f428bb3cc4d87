"""Write the results of later tests of a bundle into its manifest."""

from __future__ import annotations

from dataclasses import replace

from ulna.bundle.distilled import StudentParity
from ulna.bundle.examination import MapExamination
from ulna.bundle.io import ModelBundle, check_unchanged, write_manifest
from ulna.errors import BundleError


def replace_parity(bundle: ModelBundle, parity: StudentParity) -> ModelBundle:
    """Write the result of a student's acceptance test into its manifest.

    Raises BundleError for a bundle that is not a student, and if the manifest on disk has changed
    since `bundle` was read.
    """
    distilled = bundle.manifest.distilled
    if distilled is None:
        raise BundleError(f"{bundle.path}: no student: expected a bundle of `ulna distil`")
    check_unchanged(bundle)
    manifest = replace(bundle.manifest, distilled=replace(distilled, parity=parity))
    return ModelBundle(bundle.path, manifest, write_manifest(manifest, bundle.path))


def replace_examination(bundle: ModelBundle, examination: MapExamination) -> ModelBundle:
    """Write the results of `ulna examine` into the bundle's manifest.

    Raises BundleError if the manifest on disk has changed since `bundle` was read.
    """
    check_unchanged(bundle)
    manifest = replace(bundle.manifest, map_examination=examination)
    return ModelBundle(bundle.path, manifest, write_manifest(manifest, bundle.path))
