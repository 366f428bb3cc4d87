"""One bundle from those of several folds: every fold's experts answer together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ulna.bundle.io import ModelBundle, write_bundle
from ulna.bundle.manifest import DataFingerprint, uncalibrated_fusion
from ulna.errors import BundleError


def join_bundles(
    bundles: Sequence[ModelBundle], out: Path, name: str, data: DataFingerprint
) -> ModelBundle:
    """Write the bundle `out` of all experts of `bundles`, renamed 'expert-k', not calibrated.

    data: what all of them together learned from. Raises BundleError unless all have the same
    recipe but for the seed.
    """
    first = bundles[0].manifest
    for bundle in bundles[1:]:
        if replace(bundle.manifest.recipe, seed=first.recipe.seed) != first.recipe:
            raise BundleError(f"{bundle.path}: another recipe than {bundles[0].path}: not joined")
    experts, graphs = [], {}
    for k, bundle in enumerate(bundles):
        for expert in bundle.manifest.experts:
            own = replace(expert, name=f"{expert.name}-{k}", graph=f"{expert.name}-{k}.onnx")
            experts.append(own)
            graphs[own.name] = bundle.graph_path(expert)
    metrics = {
        key: max(b.manifest.metrics[key] for b in bundles)
        for key in ("parity_max_error", "completeness_max_error")
        if all(key in b.manifest.metrics for b in bundles)
    }
    manifest = replace(
        first,
        name=name,
        experts=tuple(experts),
        fusion=uncalibrated_fusion(
            [e.name for e in experts], first.body_parts, first.operating_point
        ),
        data=data,
        split={"train": data.n_studies, "tune": 0, "calibration": 0},
        metrics=metrics,
    )
    return write_bundle(manifest, graphs, out)
