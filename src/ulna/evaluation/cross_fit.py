"""A cross-validation's experts become one answer: fusion fitted on the other folds.

The experts of fold k have not seen its studies. Fusion weights, temperatures and thresholds
for fold k are fitted on the out-of-fold outputs of the other folds (stacking: Wolpert 1992),
so no label of fold k decides how fold k is answered.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ulna.bundle import CascadeParameters, Domain, FusionParameters, ModelBundle
from ulna.errors import DatasetWarning, UlnaError, said_of
from ulna.evaluation.calibrate import cascade_of, fit_fusion
from ulna.evaluation.cascade_fit import for_folds
from ulna.evaluation.collect import fault_row, row_of_outputs, with_cascade
from ulna.evaluation.domain_fit import domain_of, fit_expert
from ulna.evaluation.finding_fit import without_finding_maps
from ulna.evaluation.rows import StudyRow
from ulna.types import Study

if TYPE_CHECKING:
    from ulna.bundle import Manifest
    from ulna.runtime import Predictor, StudyOutputs

Progress = Callable[[int, int], None]


def run_fold(
    predictor: Predictor, studies: Sequence[Study], progress: Progress | None = None
) -> tuple[list[StudyOutputs], list[StudyRow]]:
    """What the fold's experts say of the fold's studies; rows of those that cannot be read."""
    outputs, faults = [], []
    for done, study in enumerate(studies, start=1):
        try:
            outputs.append(without_finding_maps(predictor.outputs(study, negatives=True)))
        except (UlnaError, MemoryError) as error:
            faults.append(fault_row(study, said_of(error)))
        if progress is not None:
            progress(done, len(studies))
    return outputs, faults


def cross_fit(
    predictors: Sequence[Predictor],
    outputs: Sequence[Sequence[StudyOutputs]],
    point: str,
    folds: Sequence[int] | None = None,
) -> list[StudyRow]:
    """Out-of-fold rows of all studies; a row's `split` is 'fold0', 'fold1', ...

    predictors, outputs: one entry for each fold. point: the operating point. folds: their
    numbers, from 0 on where not given.
    """
    rows = []
    numbers = range(len(outputs)) if folds is None else folds
    for k, predictor, own in zip(numbers, predictors, outputs, strict=True):
        others = [o for j, fold in zip(numbers, outputs, strict=True) if j != k for o in fold]
        fusion = _fit(others, predictor.manifest)
        fitted = predictor.with_fusion(fusion, cascade_of(others, fusion, predictor.bundle))
        for output in own:
            row = replace(row_of_outputs(fitted, output, point), split=f"fold{k}")
            if fitted.manifest.cascade is not None:
                row = with_cascade(row, fitted.with_cascade(), output, point)
            rows.append(row)
    return rows


def fit_joint_fusion(
    outputs: Sequence[Sequence[StudyOutputs]], fold: Manifest, joint: Manifest
) -> FusionParameters:
    """Fusion of the bundle that holds the experts of all folds, from out-of-fold outputs.

    fold: manifest of one fold; joint: of the bundle, whose expert 'name-k' is `name` of fold k.
    Each expert's weight is shared equally by its folds. Their mean is steadier than the single
    expert that temperature and thresholds were fitted on, so probabilities err to the middle.
    """
    fitted = _fit([o for one in outputs for o in one], fold)
    n = len(outputs)
    weights = {
        part: {e.name: shares[e.name.rpartition("-")[0]] / n for e in joint.experts}
        for part, shares in fitted.weights.items()
    }
    return replace(fitted, weights=weights)


def fit_joint_cascade(
    outputs: Sequence[Sequence[StudyOutputs]], fold: ModelBundle, joint: Manifest
) -> CascadeParameters | None:
    """The cascade of the bundle that holds the experts of all folds, from out-of-fold outputs.

    fold: one fold's bundle. The bound was found with one fold's experts at a time; the joint
    bundle's means differ less, which is not measured (`CascadeParameters.measured`).
    """
    everything = [o for one in outputs for o in one]
    found = cascade_of(everything, _fit(everything, fold.manifest), fold)
    names = [e.name for e in joint.experts]
    return None if found is None else for_folds(found, names, len(outputs))


def fit_joint_domain(outputs: Sequence[Sequence[StudyOutputs]], fold: Manifest) -> Domain | None:
    """What the films of the joint bundle look like: to each expert, those of its own fold."""
    found = {}
    for k, own in enumerate(outputs):
        for expert in fold.experts:
            fitted = fit_expert(own, expert.name)
            if fitted is not None:
                found[f"{expert.name}-{k}"] = fitted
    return domain_of(found)


def _fit(outputs: Sequence[StudyOutputs], manifest: Manifest) -> FusionParameters:
    with warnings.catch_warnings():
        # That some body parts are rare is said once, by the number of their studies.
        warnings.simplefilter("ignore", DatasetWarning)
        return fit_fusion(outputs, manifest.recipe, manifest)
