"""Which abnormality: each category of finding with its own calibrated logit, map and threshold.

The finding heads are linear as the abnormal ones are, and not of one body part, so with routing
weights pi_p, expert weights w[p, e], and the category's own offset o and temperature T::

    s_e  = sum_p pi_p * w[p, e]
    z    = (sum_e s_e * logit[e] + o) / T
    map  =  sum_e s_e * cam[e] / T                (on the finest grid)
    bias = (sum_e s_e * bias[e] + o) / T

and z = mean(map) + bias. A category without a calibration is one that the bundle cannot know: it
is absent. Bundles whose findings were never calibrated say them of images, uncalibrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from ulna.bundle.manifest import FusionParameters, Manifest
from ulna.imaging.geometry import Placement
from ulna.metrics.logistic import sigmoid
from ulna.runtime.fusion import ExpertOutput, Floats, sum_on_finest_grid
from ulna.types import Array, Finding, FindingCategory, ImagePrediction


@dataclass(frozen=True)
class FusedFinding:
    """One category of one image: logit = mean(grid) + bias, calibrated.

    grid: (h, w) float32; empty, with a bias of nan, from graphs that give no such maps.
    """

    logit: float
    bias: float
    grid: Array

    @property
    def probability(self) -> float:
        """In [0, 1]."""
        return float(sigmoid(self.logit))


def known_categories(manifest: Manifest) -> tuple[FindingCategory, ...]:
    """The categories that answers speak of, in the order of the finding head."""
    known = manifest.fusion.findings
    return tuple(c for c in manifest.categories if known is None or c in known)


def unknown_categories(manifest: Manifest) -> tuple[FindingCategory, ...]:
    """Those of the finding head that no calibrated probability can be given for."""
    known = manifest.fusion.findings or {}
    return tuple(c for c in manifest.categories if c not in known)


def expert_shares(manifest: Manifest, routing: Floats) -> dict[str, float]:
    """What each expert's finding logits weigh: those above 0 alone, their sum is 1."""
    weights = manifest.fusion.weights
    shares = {
        e.name: float(routing @ [weights[p][e.name] for p in manifest.body_parts])
        for e in manifest.experts
    }
    return {name: share for name, share in shares.items() if share > 0}


def finding_logits(
    outputs: Mapping[str, ExpertOutput], shares: Mapping[str, float], manifest: Manifest
) -> Floats:
    """(F,) logits before calibration."""
    total = np.zeros(len(manifest.categories))
    for name, share in shares.items():
        total += share * np.asarray(outputs[name].finding, dtype=np.float64)
    return total


def fuse_findings(
    outputs: Mapping[str, ExpertOutput], routing: Floats, manifest: Manifest, maps: bool = True
) -> dict[FindingCategory, FusedFinding]:
    """The categories that the bundle knows of one image. routing: (P,). maps: with their grids."""
    shares, fusion = expert_shares(manifest, routing), manifest.fusion
    logits = finding_logits(outputs, shares, manifest)
    biases = {e.name: e.finding_biases for e in manifest.experts if e.name in shares}
    maps = maps and manifest.finding_maps and all(outputs[n].finding_cam.size for n in shares)
    result = {}
    for category in known_categories(manifest):
        column = manifest.categories.index(category)
        offset, temperature = _platt(fusion, category)
        bias, grid = float("nan"), np.zeros((0, 0), np.float32)
        if maps:
            bias = sum(s * biases[n][category] for n, s in shares.items()) + offset
            cams = [
                s * outputs[n].finding_cam[column].astype(np.float64) for n, s in shares.items()
            ]
            grid = (sum_on_finest_grid(cams) / temperature).astype(np.float32)
        logit = float(logits[column] + offset) / temperature
        result[category] = FusedFinding(logit, bias / temperature, grid)
    return result


def _platt(fusion: FusionParameters, category: FindingCategory) -> tuple[float, float]:
    """(offset, temperature); (0, 1) where findings were never calibrated."""
    if fusion.findings is None:
        return 0.0, 1.0
    own = fusion.findings[category]
    return own.offset, own.temperature


class _NamedFindings(TypedDict):
    """The fields of a `StudyPrediction` that say which abnormality it is."""

    finding_probabilities: dict[FindingCategory, float]
    finding_thresholds: dict[FindingCategory, float]
    leading_finding: FindingCategory | None


def named_findings(
    images: Sequence[ImagePrediction], fusion: FusionParameters, point: str, called: bool
) -> _NamedFindings:
    """Each known category of a study: the mean of its images' probabilities, and its threshold.

    images: those that the study's probability is the mean of. called: the study is called
    abnormal, so one finding leads: the most probable of those that reach their thresholds, or of
    all where none does. Nothing where findings were never calibrated.
    """
    known = fusion.findings or {}
    stated = {c: float(np.mean([i.finding_probabilities[c] for i in images])) for c in known}
    thresholds = {c: own.thresholds[point] for c, own in known.items()}
    candidates = (called_findings(stated, thresholds) or [*known]) if called else []
    leading = max(candidates, key=lambda c: stated[c], default=None)
    return {
        "finding_probabilities": stated,
        "finding_thresholds": thresholds,
        "leading_finding": leading,
    }


def called_findings(
    stated: Mapping[FindingCategory, float], thresholds: Mapping[FindingCategory, float]
) -> list[FindingCategory]:
    """The categories whose probability reaches their threshold; those without one are none."""
    return [c for c, p in stated.items() if c in thresholds and p >= thresholds[c]]


def name_regions(
    regions: Sequence[Finding],
    grid: Array,
    result: Mapping[FindingCategory, FusedFinding],
    placement: Placement,
) -> tuple[Finding, ...]:
    """`regions` of the image, each with the category whose map is strongest within it.

    Strength: the mean of the category's map over the cells of `grid` (h, w), the abnormal map,
    that lie in the region's box, weighted by how abnormal they are. No category where none of
    the maps is above 0 there, or where there are none.
    """
    maps = {c: f.grid for c, f in result.items() if f.grid.size}
    return tuple(replace(r, category=_strongest(r, grid, maps, placement)) for r in regions)


def _strongest(
    region: Finding, grid: Array, maps: Mapping[FindingCategory, Array], placement: Placement
) -> FindingCategory | None:
    x, y, width, height = placement.box_to_target(region.box)
    cell_y, cell_x = placement.size / grid.shape[0], placement.size / grid.shape[1]
    rows = slice(int(y / cell_y), max(1, int(np.ceil((y + height) / cell_y))))
    columns = slice(int(x / cell_x), max(1, int(np.ceil((x + width) / cell_x))))
    weight = np.clip(grid[rows, columns], 1e-6, None).astype(np.float64)
    best, category = 0.0, None
    for name, own in maps.items():
        strength = float((weight * own[rows, columns]).sum() / weight.sum())
        if strength > best:
            best, category = strength, name
    return category
