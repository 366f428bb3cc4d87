"""Platt scaling and thresholds for each category of finding, on the calibration studies.

The family is that of the abnormal logit (docs/decisions/002, 016): one temperature and one
offset, by the likelihood of the study labels with a prior towards none. They are fitted over all
body parts together: the head of a category is not of one body part, and most categories are rare.
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

# Fewer of either kind say nothing of a category: it is absent from the answers.
MIN_STUDIES = 4
_NO_MAPS = np.zeros((0, 1, 1), np.float32)
Weights = Mapping[BodyPart, Mapping[str, float]]


def fit_findings(
    outputs: Sequence[StudyOutputs], weights: Weights, manifest: Manifest
) -> dict[FindingCategory, FindingCalibration]:
    """The calibration of each category that the studies of `outputs` know. Deterministic.

    weights: the fusion's, by body part and expert; experts without an entry weigh nothing. A
    category is left out that fewer than 4 studies are known to show, or known not to, with a
    DatasetWarning where the studies name findings at all; so is one of which the training data
    knew only one kind.
    """
    result, few = {}, []
    for category in manifest.categories:
        scores = _scores(outputs, category, weights, manifest)
        if not _learned(category, manifest) or scores is None:
            continue
        if scores.fewest < MIN_STUDIES:
            few.append(f"{category} ({int(scores.abnormal.sum())} with, "
                       f"{int((~scores.abnormal).sum())} without)")  # fmt: skip
            continue
        result[category] = _calibration(scores)
    if few:
        warnings.warn(
            f"findings {', '.join(few)}: expected at least {MIN_STUDIES} calibration studies with "
            "and without each: they are absent from the answers",
            DatasetWarning,
            stacklevel=4,
        )
    return result


def with_findings(
    cascade: CascadeParameters | None,
    outputs: Sequence[StudyOutputs],
    fusion: FusionParameters,
    manifest: Manifest,
) -> CascadeParameters | None:
    """The cascade with the calibration of findings of each stage, of its experts so far."""
    if cascade is None or not fusion.findings:
        return cascade
    stages = []
    for k, stage in enumerate(cascade.stages):
        run = set(cascade.experts_after(k))
        parts = {p: _scaled(shares, run) for p, shares in fusion.weights.items()}
        with warnings.catch_warnings():
            # The same categories are too rare as for the whole hybrid, which has said so.
            warnings.simplefilter("ignore", DatasetWarning)
            result = fit_findings(outputs, parts, manifest)
        stages.append(replace(stage, findings=result))
    return replace(cascade, stages=tuple(stages))


def _scaled(shares: Mapping[str, float], run: Collection[str]) -> dict[str, float]:
    """The weights of the experts `run`, scaled to sum 1; empty where they have none."""
    own = {n: w for n, w in shares.items() if n in run and w > 0}
    total = sum(own.values())
    return {n: w / total for n, w in own.items()}


def without_finding_maps(outputs: StudyOutputs) -> StudyOutputs:
    """The same without the categories' maps: thousands of studies are held at once."""
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
    """Fused logits (I, 1) of the studies in which the category is known; None without any."""
    column, means = manifest.categories.index(category), manifest.abnormal_means
    logits: list[float] = []
    study: list[int] = []
    labels: list[bool] = []
    for output in outputs:
        part, known = output.study.body_part, known_finding(output.study, category, means)
        if known is None or part not in manifest.body_parts:
            continue
        own = {n: w for n, w in weights[part].items() if w > 0}
        if not own:  # experts so far that say nothing of this body part
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
