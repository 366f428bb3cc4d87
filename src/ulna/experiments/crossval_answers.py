"""The answers of a cross-validation's folds, and the bundle that its experts become."""

from __future__ import annotations

from dataclasses import replace

from ulna.bundle import ModelBundle, read_bundle, replace_fusion
from ulna.bundle.join import join_bundles
from ulna.calibration.cross_fit import (
    cross_fit,
    fit_joint_cascade,
    fit_joint_domain,
    fit_joint_fusion,
    run_fold,
)
from ulna.calibration.disturb import disturbed
from ulna.calibration.domain_fit import Beside
from ulna.calibration.outside_films import beside_of
from ulna.evaluation.rows import StudyRow
from ulna.experiments.crossval_steps import CrossvalFolder, record_data
from ulna.experiments.progress import Progress


def answer_folds(folder: CrossvalFolder, report: Progress) -> tuple[ModelBundle, list[StudyRow]]:
    """Run every fold's experts on its studies; write the joint bundle; out-of-fold rows."""
    from ulna.runtime import Predictor

    predictors, outputs, beside = [], [], list[Beside]()
    rows: list[StudyRow] = []
    asked = {k: folder.folds[k] for k in folder.asked}
    total, done = sum(map(len, asked.values())), 0
    for k, studies in asked.items():
        predictor = Predictor.load(folder.fold(k) / "bundle")
        said, faults = run_fold(predictor, studies, disturb=disturbed)
        beside.append(beside_of(predictor, said, folder.elsewhere, k))
        done += len(studies)
        report("predict", done, total)
        rows += [replace(f, split=f"fold{k}") for f in faults]
        predictors.append(predictor)
        outputs.append(said)
    rows += cross_fit(predictors, outputs, folder.settings.recipe.operating_point, folder.asked)
    bundles = [read_bundle(folder.fold(k) / "bundle") for k in folder.asked]
    joint = join_bundles(bundles, folder.bundle, folder.settings.recipe.name, record_data(folder))
    fusion = fit_joint_fusion(outputs, bundles[0].manifest, joint.manifest)
    domain = fit_joint_domain(outputs, bundles[0].manifest, beside)
    cascade = fit_joint_cascade(outputs, bundles[0], joint.manifest)
    return replace_fusion(joint, fusion, {}, domain, cascade), rows
