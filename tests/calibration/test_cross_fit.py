"""Stacking across folds: a fold's labels do not influence its fusion; the joint bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.synthetic_studies import write_studies

from ulna.bundle import (
    CascadeParameters,
    FusionParameters,
    ModelBundle,
    read_bundle,
    replace_fusion,
)
from ulna.bundle.join import join_bundles
from ulna.calibration.cross_fit import cross_fit, fit_joint_cascade, fit_joint_fusion, run_fold
from ulna.runtime import Predictor
from ulna.runtime.outputs import StudyOutputs

POINT = "specificity_0.90"
FOLDS = 3


@pytest.fixture
def folds(tmp_path: Path, blob_bundle: ModelBundle) -> tuple[Predictor, list[list[StudyOutputs]]]:
    predictor = Predictor.load(blob_bundle.path)
    studies = write_studies(tmp_path, 108)
    return predictor, [run_fold(predictor, studies[k::FOLDS])[0] for k in range(FOLDS)]


def test_a_folds_labels_do_not_decide_its_answers(
    folds: tuple[Predictor, list[list[StudyOutputs]]],
) -> None:
    predictor, outputs = folds
    rows = cross_fit([predictor] * FOLDS, outputs, POINT)
    assert len(rows) == 108
    assert {r.split for r in rows} == {"fold0", "fold1", "fold2"}
    turned = [replace(o, study=replace(o.study, abnormal=not o.study.abnormal)) for o in outputs[1]]
    again = cross_fit([predictor] * FOLDS, [outputs[0], turned, outputs[2]], POINT)
    for before, after in zip(rows, again, strict=True):
        assert before.given is not None and after.given is not None
        same = before.given.probability == after.given.probability
        assert same == (before.split == "fold1")


def test_joint_bundle_answers_like_the_pooled_fit(
    tmp_path: Path, folds: tuple[Predictor, list[list[StudyOutputs]]]
) -> None:
    predictor, outputs = folds
    bundle = read_bundle(predictor.bundle.path)
    joint = join_bundles([bundle] * FOLDS, tmp_path / "joint", "joint", bundle.manifest.data)
    fusion = fit_joint_fusion(outputs, bundle.manifest, joint.manifest)
    joint = replace_fusion(joint, fusion, {})
    for shares in joint.manifest.fusion.weights.values():
        assert sum(shares.values()) == pytest.approx(1)
        assert shares["cnn-0"] == shares["cnn-1"] == shares["cnn-2"]
    # the folds hold the same graphs here, so their mean is each of them
    whole = Predictor.load(joint.path)
    study = outputs[0][0].study
    single = {part: {} for part in fusion.weights}
    for part, shares in fusion.weights.items():
        for name, share in shares.items():
            expert = name.rpartition("-")[0]
            single[part][expert] = single[part].get(expert, 0.0) + share
    alone = predictor.with_fusion(replace(fusion, weights=single))
    result, expected = whole.predict(study), alone.predict(study)
    assert result.probability == pytest.approx(expected.probability, abs=1e-5)
    assert result.threshold == expected.threshold
    np.testing.assert_allclose(result.images[0].grid, expected.images[0].grid, atol=1e-4)


def test_too_few_studies_for_a_cascade_change_no_answer(
    folds: tuple[Predictor, list[list[StudyOutputs]]],
) -> None:
    predictor, outputs = folds
    for row in cross_fit([predictor] * FOLDS, outputs, POINT):
        assert row.given is not None and row.cascade is not None
        assert row.cascade.probability == row.given.probability
        assert (row.cascade.skipped, row.cascade.cost) == ((), 1.0)


def joined(
    out: Path, folds: tuple[Predictor, list[list[StudyOutputs]]]
) -> tuple[ModelBundle, FusionParameters, CascadeParameters | None]:
    """A joint bundle, and the fusion and cascade that are fitted for it."""
    predictor, outputs = folds
    bundle = predictor.bundle
    joint = join_bundles([bundle] * FOLDS, out, "joint", bundle.manifest.data)
    fusion = fit_joint_fusion(outputs, bundle.manifest, joint.manifest)
    return joint, fusion, fit_joint_cascade(outputs, bundle, joint.manifest)


def test_joint_bundle_has_the_cascade_of_one_fold(
    tmp_path: Path, folds: tuple[Predictor, list[list[StudyOutputs]]]
) -> None:
    outputs = folds[1]
    joint, fusion, cascade = joined(tmp_path / "joint", folds)
    replace_fusion(joint, fusion, {}, cascade=cascade)
    whole = Predictor.load(joint.path)
    result = whole.manifest.cascade
    assert result is not None and not result.measured
    assert len(result.stages) == 1 and len(result.stages[0].experts) == FOLDS
    study = outputs[0][0].study
    assert whole.with_cascade().predict(study).probability == whole.predict(study).probability


def test_joint_cascade_where_all_leave(
    tmp_path: Path, folds: tuple[Predictor, list[list[StudyOutputs]]]
) -> None:
    outputs = folds[1]
    joint, fusion, cascade = joined(tmp_path / "joint", folds)
    assert cascade is not None
    bounds = {o: dict(t) for o, t in fusion.thresholds.items()}
    stage = replace(cascade.stages[0], low=bounds, high=bounds)
    replace_fusion(joint, fusion, {}, cascade=replace(cascade, stages=(stage,)))
    answer = Predictor.load(joint.path).with_cascade().predict(outputs[0][0].study)
    assert set(answer.experts) == set(stage.experts)
    assert len(answer.skipped_experts) == FOLDS
