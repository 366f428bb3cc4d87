"""Platt scaling and thresholds for each category of finding, on the calibration studies.

As for the abnormal logit (docs/decisions/002, 016), one temperature and one offset are fitted by
the likelihood of the study labels, with a prior towards no change. They are fitted over all body
parts together, since a category's head serves all of them and most categories are rare.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from ulna.bundle import FindingCalibration
from ulna.calibration.fusion_fit import fit_pooled, start_fit
from ulna.calibration.part_scores import Floats, PartScores, logit
from ulna.calibration.thresholds import RULES
from ulna.datasets.finding_labels import known_finding
from ulna.errors import DatasetWarning
from ulna.types import BodyPart, FindingCategory

if TYPE_CHECKING:
    from ulna.bundle import CascadeParameters, FusionParameters, Manifest
    from ulna.runtime import StudyOutputs

# With fewer studies with or without it, a category is not calibrated and absent from the answers.
MIN_STUDIES = 4
_NO_MAPS = np.zeros((0, 1, 1), np.float32)
Weights = Mapping[BodyPart, Mapping[str, float]]


def fit_findings(
    outputs: Sequence[StudyOutputs], weights: Weights, manifest: Manifest
) -> dict[FindingCategory, FindingCalibration]:
    """Calibrate each category of finding that the labels of the studies cover. Deterministic.

    weights: the fusion's, by body part and expert; an expert without an entry has weight 0. A
    category is left out where fewer than 4 studies are known to show it, or known not to, with a
    DatasetWarning if any study names findings at all. So is a category of which the training data
    had only positive or only negative studies.
    """
    calibrations, few = {}, []
    for category in manifest.categories:
        scores = _scores(outputs, category, weights, manifest)
        if not _learned(category, manifest) or scores is None:
            continue
        if scores.fewest < MIN_STUDIES:
            few.append(f"{category} ({int(scores.abnormal.sum())} with, "
                       f"{int((~scores.abnormal).sum())} without)")  # fmt: skip
            continue
        calibrations[category] = _calibration(scores)
    if few:
        warnings.warn(
            f"findings {', '.join(few)}: expected at least {MIN_STUDIES} calibration studies with "
            "and without each: they are absent from the answers",
            DatasetWarning,
            stacklevel=4,
        )
    return calibrations


def with_findings(
    cascade: CascadeParameters | None,
    outputs: Sequence[StudyOutputs],
    fusion: FusionParameters,
    manifest: Manifest,
) -> CascadeParameters | None:
    """Add to each stage of the cascade the calibration of findings by the experts run so far."""
    if cascade is None or not fusion.findings:
        return cascade
    stages = []
    for k, stage in enumerate(cascade.stages):
        run = set(cascade.experts_after(k))
        parts = {p: _scaled(shares, run) for p, shares in fusion.weights.items()}
        with warnings.catch_warnings():
            # The fit of the whole hybrid has warned of the same categories.
            warnings.simplefilter("ignore", DatasetWarning)
            findings = fit_findings(outputs, parts, manifest)
        stages.append(replace(stage, findings=findings))
    return replace(cascade, stages=tuple(stages))


def _scaled(shares: Mapping[str, float], run: Collection[str]) -> dict[str, float]:
    """Return the weights of the experts `run`, scaled to sum 1; empty where they have none."""
    own = {n: w for n, w in shares.items() if n in run and w > 0}
    total = sum(own.values())
    return {n: w / total for n, w in own.items()}


def without_finding_maps(outputs: StudyOutputs) -> StudyOutputs:
    """Return `outputs` without the maps of the categories, so that thousands fit into memory."""
    return replace(
        outputs,
        images=tuple(
            replace(
                image,
                experts={n: replace(o, finding_cam=_NO_MAPS) for n, o in image.experts.items()},
            )
            for image in outputs.images
        ),
    )


def _learned(category: FindingCategory, manifest: Manifest) -> bool:
    counts = manifest.data.findings
    return counts is None or min(counts.get(category, (0, 0))) > 0


def _scores(
    outputs: Sequence[StudyOutputs],
    category: FindingCategory,
    weights: Weights,
    manifest: Manifest,
) -> PartScores | None:
    """Return the studies whose label covers the category, with fused logits (I, 1), or None."""
    column, means = manifest.categories.index(category), manifest.abnormal_means
    logits: list[float] = []
    study: list[int] = []
    labels: list[bool] = []
    for output in outputs:
        part, known = output.study.body_part, known_finding(output.study, category, means)
        if known is None or part not in manifest.body_parts:
            continue
        own = {n: w for n, w in weights[part].items() if w > 0}
        if not own:  # no expert run so far has weight for this body part
            continue
        for image in output.images:
            logits.append(sum(w * float(image.experts[n].finding[column]) for n, w in own.items()))
            study.append(len(labels))
        labels.append(known)
    if not labels:
        return None
    return PartScores(np.array(logits)[:, None], np.array(study), np.array(labels, np.bool_))


def _calibration(scores: PartScores) -> FindingCalibration:
    fit = fit_pooled(scores, start_fit(np.ones(1)), [])
    stated = scores.probability(fit.weights, fit.offset, fit.temperature)
    present: Floats = logit(stated[scores.abnormal])
    absent: Floats = logit(stated[~scores.abnormal])
    return FindingCalibration(
        temperature=fit.temperature,
        offset=fit.offset,
        thresholds={p: float(special.expit(rule(absent, present))) for p, rule in RULES.items()},
        n_present=len(present),
        n_absent=len(absent),
    )
