"""What the experts said of one image, fused into its `ImagePrediction`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ulna.bundle import Manifest
from ulna.imaging.outline import findings_from_map
from ulna.runtime.fusion import Floats, fuse_image, part_probabilities, sigmoid
from ulna.runtime.outputs import ImageOutputs
from ulna.types import Array, BodyPart, ImagePrediction


def image_answer(
    manifest: Manifest,
    names: Sequence[str],
    routing: Floats,
    image: ImageOutputs,
    verdict: tuple[float | None, str],
) -> ImagePrediction:
    """The answer for one image. names: of the experts that answer. verdict: of `refusal`."""
    fused = fuse_image(image.experts, routing, manifest)
    heat_map = image.placement.to_source(fused.grid)
    return ImagePrediction(
        source=str(image.ref.path),
        probability=float(sigmoid(fused.logit)),
        logit=fused.logit,
        bias=fused.bias,
        grid=fused.grid,
        heat_map=heat_map,
        body_part_probabilities=by_part(manifest, [image.experts[n].body_part for n in names]),
        findings=findings_from_map(
            heat_map, manifest.fusion.map_threshold, peak=manifest.fusion.map_peak
        ),
        finding_probabilities={
            c: float(p) for c, p in zip(manifest.categories, fused.findings, strict=True)
        },
        experts=fused.experts,
        foreign=verdict[0],
        refusal=verdict[1],
        inverted=image.inverted,
    )


def by_part(manifest: Manifest, logits: Sequence[Array]) -> dict[BodyPart, float]:
    """The probability of each body part from (P,) logits of views and experts."""
    shares = part_probabilities(logits)
    return {p: float(s) for p, s in zip(manifest.body_parts, shares, strict=True)}


def alone(images: Sequence[ImagePrediction]) -> dict[str, float]:
    """The study probability of each expert alone."""
    names = images[0].experts
    return {n: float(np.mean(sigmoid([i.experts[n] for i in images]))) for n in names}
