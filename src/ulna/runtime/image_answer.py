"""Fuse the experts' outputs for one image into its `ImagePrediction`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ulna.bundle import Manifest
from ulna.imaging.outline import findings_from_map
from ulna.metrics.logistic import sigmoid
from ulna.runtime.findings import FusedFinding, fuse_findings, name_regions
from ulna.runtime.fusion import Floats, fuse_image, part_probabilities
from ulna.runtime.outputs import ImageOutputs
from ulna.runtime.request import HeatMaps, check_finding_maps
from ulna.runtime.screen import Verdict
from ulna.types import Array, BodyPart, Finding, FindingCategory, ImagePrediction, OodLevel


def image_answer(
    manifest: Manifest,
    names: Sequence[str],
    routing: Floats,
    image: ImageOutputs,
    judged: Verdict,
    heat_map: HeatMaps = True,
    uncertainty_margin: float = 0.0,
) -> ImagePrediction:
    """Return the prediction for one image. names: the experts in use. judged: the image's verdict.

    heat_map: False leaves the map on the model's grid and finds no regions; 'findings' adds the
    map of each category (ConfigError if the bundle has none). uncertainty_margin: that of the
    bundle's out-of-distribution detector.
    """
    fused = fuse_image(image.experts, routing, manifest)
    parts = body_part_shares(manifest, [image.experts[n].body_part for n in names])
    kinds = fuse_findings(image.experts, routing, manifest, maps=bool(heat_map))
    on_image, findings = fused.grid, tuple[Finding, ...]()
    if heat_map:
        on_image, limits = image.placement.to_source(fused.grid), manifest.fusion
        findings = findings_from_map(
            on_image, limits.map_threshold, peak=limits.map_peak, share=limits.map_share
        )
        if limits.findings:
            findings = name_regions(findings, fused.grid, kinds, image.placement)
    return ImagePrediction(
        source=str(image.ref.path),
        probability=float(sigmoid(fused.logit)),
        logit=fused.logit,
        bias=fused.bias,
        grid=fused.grid,
        heat_map=on_image,
        body_part_probabilities=parts,
        findings=findings,
        finding_probabilities={c: kind.probability for c, kind in kinds.items()},
        finding_maps=_finding_maps(manifest, kinds, image) if heat_map == "findings" else {},
        experts=fused.experts,
        ood_distance=judged.distance,
        refusal=judged.refusal,
        inverted=image.inverted,
        out_of_distribution=judged.out_of_distribution,
        outlier_score=judged.outlier_score,
        interval=probability_interval(fused.logit, judged, uncertainty_margin),
    )


def _finding_maps(
    manifest: Manifest, kinds: Mapping[FindingCategory, FusedFinding], image: ImageOutputs
) -> dict[FindingCategory, Array]:
    """Return the (H, W) heat map of each category; raises ConfigError if the bundle has none."""
    check_finding_maps(manifest)
    return {c: image.placement.to_source(k.grid) for c, k in kinds.items() if k.grid.size}


def probability_interval(
    logit: float, judged: Verdict, uncertainty_margin: float
) -> tuple[float, float] | None:
    """Return (low, high) of the probability of a NEAR image, None for others.

    The interval is the logit plus or minus `uncertainty_margin` times the distance.
    """
    if judged.out_of_distribution is not OodLevel.NEAR or judged.distance is None:
        return None
    width = uncertainty_margin * judged.distance
    low, high = sigmoid([logit - width, logit + width])
    return float(low), float(high)


def body_part_shares(manifest: Manifest, logits: Sequence[Array]) -> dict[BodyPart, float]:
    """Return the probability of each body part from (P,) logits of views and experts."""
    shares = part_probabilities(logits)
    return {p: float(s) for p, s in zip(manifest.body_parts, shares, strict=True)}


def single_expert_probabilities(images: Sequence[ImagePrediction]) -> dict[str, float]:
    """Return the uncalibrated study probability of each single expert."""
    names = images[0].experts
    return {n: float(np.mean(sigmoid([i.experts[n] for i in images]))) for n in names}
