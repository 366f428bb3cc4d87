"""Fuse the experts of a cross-validation, each fold with a fusion fitted on the other folds.

The experts of fold k have not seen its studies. Fusion weights, temperatures and thresholds
for fold k are fitted on the out-of-fold outputs of the other folds (stacking: Wolpert 1992),
so no label of fold k influences the answers to fold k.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ulna.bundle import CascadeParameters, FusionParameters, ModelBundle, OodDetector
from ulna.calibration.calibrate import cascade_of, fit_fusion
from ulna.calibration.cascade_fit import for_folds
from ulna.calibration.finding_fit import without_finding_maps
from ulna.calibration.near_fit import Movement, margin_of, movements
from ulna.calibration.out_of_distribution_fit import (
    Fitted,
    OutlierReference,
    fit_expert,
    out_of_distribution_of,
)
from ulna.errors import DatasetWarning, UlnaError, message_of
from ulna.evaluation.collect import fault_row, row_of_outputs, with_cascade
from ulna.evaluation.rows import StudyRow
from ulna.types import Study

if TYPE_CHECKING:
    from ulna.bundle import Manifest
    from ulna.runtime import Predictor, StudyOutputs
    from ulna.runtime.screen import Disturb

Progress = Callable[[int, int], None]


def run_fold(
    predictor: Predictor,
    studies: Sequence[Study],
    progress: Progress | None = None,
    disturb: Disturb | None = None,
) -> tuple[list[StudyOutputs], list[StudyRow]]:
    """Run the fold's experts on its studies. Return outputs, and rows of the unreadable studies.

    disturb: as in `Predictor.outputs`.
    """
    outputs, faults = [], []
    for done, study in enumerate(studies, start=1):
        try:
            output = predictor.outputs(study, negatives=True, disturb=disturb)
            outputs.append(without_finding_maps(output))
        except (UlnaError, MemoryError) as error:
            faults.append(fault_row(study, message_of(error)))
        if progress is not None:
            progress(done, len(studies))
    return outputs, faults


def cross_fit(
    predictors: Sequence[Predictor],
    outputs: Sequence[Sequence[StudyOutputs]],
    point: str,
    folds: Sequence[int] | None = None,
) -> list[StudyRow]:
    """Return out-of-fold rows of all studies, with `split` 'fold0', 'fold1', ...

    predictors, outputs: one entry for each fold. point: the operating point. folds: the numbers
    of the folds, by default 0, 1, ...
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


def logits_of_fold(
    predictor: Predictor, studies: Sequence[Study], progress: Progress | None = None
) -> list[StudyOutputs]:
    """Run the fold's experts for the fit of a fusion only, with maps reduced to one cell.

    So thousands of studies fit into memory. Studies without an answer are left out.
    """
    outputs = []
    for done, study in enumerate(studies, start=1):
        try:
            outputs.append(_without_maps(predictor.outputs(study)))
        except (UlnaError, MemoryError):
            continue  # the scoring of the fold reports it
        finally:
            if progress is not None:
                progress(done, len(studies))
    return outputs


def _without_maps(outputs: StudyOutputs) -> StudyOutputs:
    images = []
    for image in outputs.images:
        experts = {
            n: replace(
                o,
                cam=o.cam.mean(axis=(1, 2), keepdims=True),
                features=o.features[:0],
                finding_cam=o.finding_cam.mean(axis=(1, 2), keepdims=True),
            )
            for n, o in image.experts.items()
        }
        images.append(replace(image, experts=experts))
    return replace(outputs, images=tuple(images))


def fusions_without(
    outputs: Sequence[Sequence[StudyOutputs]], manifest: Manifest
) -> list[FusionParameters]:
    """Return for each fold the fusion fitted on all others, independent of the fold's own labels.

    outputs: of each fold's experts on its own studies. manifest: of any fold.
    """
    return [
        _fit([o for j, fold in enumerate(outputs) if j != k for o in fold], manifest)
        for k in range(len(outputs))
    ]


def fit_joint_fusion(
    outputs: Sequence[Sequence[StudyOutputs]], fold: Manifest, joint: Manifest
) -> FusionParameters:
    """Fit the fusion of the bundle with the experts of all folds, from out-of-fold outputs.

    fold: manifest of one fold. joint: manifest of the bundle, whose expert 'name-k' is `name` of
    fold k. Each expert's weight is divided equally among the folds. The mean of the folds varies
    less than the single expert on which temperature and thresholds were fitted, so probabilities
    err towards the middle.
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
    """Fit the cascade of the bundle with the experts of all folds, from out-of-fold outputs.

    fold: one fold's bundle. The bound is measured with the experts of one fold at a time. Means
    over the folds should change fewer decisions, but that is not measured
    (`CascadeParameters.measured`).
    """
    everything = [o for one in outputs for o in one]
    cascade = cascade_of(everything, _fit(everything, fold.manifest), fold)
    names = [e.name for e in joint.experts]
    return None if cascade is None else for_folds(cascade, names, len(outputs))


def fit_joint_out_of_distribution(
    outputs: Sequence[Sequence[StudyOutputs]],
    fold: Manifest,
    references: Sequence[OutlierReference] = (),
) -> OodDetector | None:
    """Fit the feature statistics of the joint bundle, of each expert on the images of its fold.

    references: outlier examples of each fold, empty where there are none.
    """
    all_fits, moved = dict[str, Fitted](), list[Movement]()
    fusion = _fit([o for one in outputs for o in one], fold)
    for k, own in enumerate(outputs):
        reference = references[k] if references else None
        names = [e.name for e in fold.experts]
        fits = {n: f for n in names if (f := fit_expert(own, n, reference)) is not None}
        if (out_of_distribution := out_of_distribution_of(fits, reference)) is not None:
            moved += movements(own, out_of_distribution, fusion, fold)
        all_fits |= {f"{name}-{k}": fitted for name, fitted in fits.items()}
    joint = out_of_distribution_of(all_fits, references[0] if references else None)
    if joint is None:
        return None
    return replace(joint, entry=replace(joint.entry, uncertainty_margin=margin_of(moved)))


def _fit(outputs: Sequence[StudyOutputs], manifest: Manifest) -> FusionParameters:
    with warnings.catch_warnings():
        # Without one warning for each fold and rare body part.
        warnings.simplefilter("ignore", DatasetWarning)
        return fit_fusion(outputs, manifest.recipe, manifest)
