"""The predictions of a cross-validation's folds, and the bundle of all their experts."""

from __future__ import annotations

from dataclasses import replace

from ulna.bundle import ModelBundle, read_bundle, replace_fusion
from ulna.bundle.join import join_bundles
from ulna.calibration.cross_fit import (
    cross_fit,
    fit_joint_cascade,
    fit_joint_fusion,
    fit_joint_out_of_distribution,
    run_fold,
)
from ulna.calibration.disturb import disturbed
from ulna.calibration.out_of_distribution_fit import OutlierReference
from ulna.calibration.outlier_images import outlier_reference
from ulna.evaluation.rows import StudyRow
from ulna.experiments.crossval_steps import CrossvalFolder, record_data
from ulna.experiments.progress import Progress


def predict_folds(folder: CrossvalFolder, progress: Progress) -> tuple[ModelBundle, list[StudyRow]]:
    """Run every fold's experts on its studies; return the joint bundle and the out-of-fold rows."""
    from ulna.runtime import Predictor

    predictors, outputs, outliers = [], [], list[OutlierReference]()
    rows: list[StudyRow] = []
    requested = {k: folder.folds[k] for k in folder.requested}
    total, done = sum(map(len, requested.values())), 0
    for k, studies in requested.items():
        predictor = Predictor.load(folder.fold(k) / "bundle")
        output, failed = run_fold(predictor, studies, disturb=disturbed)
        outliers.append(outlier_reference(predictor, output, folder.outliers, k))
        done += len(studies)
        progress("predict", done, total)
        rows += [replace(row, split=f"fold{k}") for row in failed]
        predictors.append(predictor)
        outputs.append(output)
    rows += cross_fit(predictors, outputs, folder.settings.recipe.operating_point, folder.requested)
    bundles = [read_bundle(folder.fold(k) / "bundle") for k in folder.requested]
    joint = join_bundles(bundles, folder.bundle, folder.settings.recipe.name, record_data(folder))
    fusion = fit_joint_fusion(outputs, bundles[0].manifest, joint.manifest)
    out_of_distribution = fit_joint_out_of_distribution(outputs, bundles[0].manifest, outliers)
    cascade = fit_joint_cascade(outputs, bundles[0], joint.manifest)
    return replace_fusion(joint, fusion, {}, out_of_distribution, cascade), rows
