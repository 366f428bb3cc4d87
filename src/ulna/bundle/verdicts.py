"""What was found of a bundle afterwards, written into its manifest."""

from __future__ import annotations

from dataclasses import replace

from ulna.bundle.distilled import StudentParity
from ulna.bundle.examination import MapExamination
from ulna.bundle.io import ModelBundle, check_unchanged, write_manifest
from ulna.errors import BundleError


def replace_parity(bundle: ModelBundle, result: StudentParity) -> ModelBundle:
    """Rewrite a student's manifest with what the gate found of it.

    Raises BundleError for a bundle that no teacher taught, and if the manifest on disk is not the
    one of `bundle` any more.
    """
    distilled = bundle.manifest.distilled
    if distilled is None:
        raise BundleError(f"{bundle.path}: no student: expected a bundle of `ulna distil`")
    check_unchanged(bundle)
    manifest = replace(bundle.manifest, distilled=replace(distilled, parity=result))
    return ModelBundle(bundle.path, manifest, write_manifest(manifest, bundle.path))


def replace_examination(bundle: ModelBundle, result: MapExamination) -> ModelBundle:
    """Rewrite the bundle's manifest with the examination of its maps.

    Raises BundleError if the manifest on disk is not the one of `bundle` any more.
    """
    check_unchanged(bundle)
    manifest = replace(bundle.manifest, map_examination=result)
    return ModelBundle(bundle.path, manifest, write_manifest(manifest, bundle.path))
