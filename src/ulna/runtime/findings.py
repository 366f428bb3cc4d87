"""Finding categories: calibrated logit, heat map and threshold of each.

The finding heads are linear like the abnormal heads, but shared by all body parts. With routing
weights pi_p, expert weights w[p, e], and the category's offset o and temperature T::

    s_e  = sum_p pi_p * w[p, e]
    z    = (sum_e s_e * logit[e] + o) / T
    map  =  sum_e s_e * cam[e] / T                (on the finest grid)
    bias = (sum_e s_e * bias[e] + o) / T

and z = mean(map) + bias. A category without a calibration is omitted. Bundles whose findings were
never calibrated give uncalibrated probabilities for images only.
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
    """The fused prediction of one category for one image: calibrated logit = mean(grid) + bias.

    grid: (h, w) float32; empty, with a bias of nan, if the graphs have no maps of categories.
    """

    logit: float
    bias: float
    grid: Array

    @property
    def probability(self) -> float:
        """The probability of the category, in [0, 1]."""
        return float(sigmoid(self.logit))


def known_categories(manifest: Manifest) -> tuple[FindingCategory, ...]:
    """Return the categories in predictions, in the order of the finding head."""
    known = manifest.fusion.findings
    return tuple(c for c in manifest.categories if known is None or c in known)


def unknown_categories(manifest: Manifest) -> tuple[FindingCategory, ...]:
    """Return the categories of the finding head without calibration."""
    known = manifest.fusion.findings or {}
    return tuple(c for c in manifest.categories if c not in known)


def expert_shares(manifest: Manifest, routing: Floats) -> dict[str, float]:
    """Return the positive weights of the experts' finding logits; their sum is 1."""
    weights = manifest.fusion.weights
    shares = {
        e.name: float(routing @ [weights[p][e.name] for p in manifest.body_parts])
        for e in manifest.experts
    }
    return {name: share for name, share in shares.items() if share > 0}


def finding_logits(
    outputs: Mapping[str, ExpertOutput], shares: Mapping[str, float], manifest: Manifest
) -> Floats:
    """Return (F,) weighted logits, before calibration."""
    total = np.zeros(len(manifest.categories))
    for name, share in shares.items():
        total += share * np.asarray(outputs[name].finding, dtype=np.float64)
    return total


def fuse_findings(
    outputs: Mapping[str, ExpertOutput], routing: Floats, manifest: Manifest, maps: bool = True
) -> dict[FindingCategory, FusedFinding]:
    """Fuse the experts' finding outputs for one image. routing: (P,). maps: include the grids."""
    shares, fusion = expert_shares(manifest, routing), manifest.fusion
    logits = finding_logits(outputs, shares, manifest)
    biases = {e.name: e.finding_biases for e in manifest.experts if e.name in shares}
    maps = maps and manifest.finding_maps and all(outputs[n].finding_cam.size for n in shares)
    fused = {}
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
        fused[category] = FusedFinding(logit, bias / temperature, grid)
    return fused


def _platt(fusion: FusionParameters, category: FindingCategory) -> tuple[float, float]:
    """Return (offset, temperature), or (0, 1) if findings were never calibrated."""
    if fusion.findings is None:
        return 0.0, 1.0
    calibration = fusion.findings[category]
    return calibration.offset, calibration.temperature


class _NamedFindings(TypedDict):
    """The fields of a `StudyPrediction` on finding categories."""

    finding_probabilities: dict[FindingCategory, float]
    finding_thresholds: dict[FindingCategory, float]
    leading_finding: FindingCategory | None


def named_findings(
    images: Sequence[ImagePrediction], fusion: FusionParameters, point: str, called: bool
) -> _NamedFindings:
    """Return a study's probability (mean of the images') and threshold of each known category.

    images: those that the study's probability is averaged over. called: whether the study is called
    abnormal. If so, the leading finding is the most probable category among those that reach their
    thresholds, or among all if none does. Empty if findings were never calibrated.
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
    """Return the categories whose probability reaches their threshold."""
    return [c for c, p in stated.items() if c in thresholds and p >= thresholds[c]]


def name_regions(
    regions: Sequence[Finding],
    grid: Array,
    fused: Mapping[FindingCategory, FusedFinding],
    placement: Placement,
) -> tuple[Finding, ...]:
    """Return `regions`, each with the category whose heat map is strongest within it.

    The strength is the mean of the category's map over the cells in the region's box, weighted by
    the abnormal map `grid` (h, w). There is no category if no map is above 0 there, or if there
    are no maps.
    """
    maps = {c: f.grid for c, f in fused.items() if f.grid.size}
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
