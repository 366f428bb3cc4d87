"""Finding categories: calibrated, with heat maps that add up to the logit, or absent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analytic_bundle import (
    BOTH,
    CATEGORIES,
    COARSE,
    FINE,
    MAPPING,
    PARTS,
    SIZE,
    cascade,
    make_study,
    write_analytic,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ulna.bundle import FindingCalibration, FusionParameters, Manifest, read_bundle
from ulna.errors import BundleError, ConfigError
from ulna.imaging.geometry import Placement
from ulna.runtime import Predictor
from ulna.runtime.findings import FusedFinding, fuse_findings, name_regions
from ulna.runtime.fusion import ExpertOutput
from ulna.types import Finding, FindingCategory, Study

FRACTURE, HARDWARE = CATEGORIES
POINTS = list(BOTH.thresholds)


def calibration(temperature: float, offset: float, threshold: float) -> FindingCalibration:
    return FindingCalibration(temperature, offset, dict.fromkeys(POINTS, threshold), 20, 30)


KNOWN = {FRACTURE: calibration(0.7, 0.3, 0.6), HARDWARE: calibration(1.6, -0.4, 0.2)}
FITTED: FusionParameters = replace(BOTH, findings=KNOWN)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("findings")
    return write_analytic(folder / "bundle", MAPPING, FITTED).manifest


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("predictor")
    return Predictor.load(write_analytic(folder / "bundle", MAPPING, FITTED).path)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("images"), PARTS[0])


def outputs(seed: int) -> dict[str, ExpertOutput]:
    image = np.random.default_rng(seed).normal(0, 1, (1, SIZE, SIZE)).astype(np.float32)
    return {
        e.name: ExpertOutput(**{k: v.astype(np.float32) for k, v in e.answer(image).items()})
        for e in MAPPING
    }


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), share=st.floats(0, 1))
def test_every_map_adds_up_to_its_logit(manifest: Manifest, seed: int, share: float) -> None:
    result = fuse_findings(outputs(seed), np.array([share, 1 - share]), manifest)
    assert set(result) == set(CATEGORIES)
    for kind in result.values():
        assert kind.grid.shape == (28, 28)
        assert abs(kind.grid.astype(np.float64).mean() + kind.bias - kind.logit) <= 1e-4


def test_a_finding_is_the_convex_combination_calibrated(manifest: Manifest) -> None:
    message = outputs(0)
    result = fuse_findings(message, np.array([1.0, 0.0]), manifest)
    raw = 0.3 * message["coarse"].finding + 0.7 * message["fine"].finding
    assert result[FRACTURE].logit == pytest.approx((raw[0] + 0.3) / 0.7, abs=1e-6)
    assert result[HARDWARE].logit == pytest.approx((raw[1] - 0.4) / 1.6, abs=1e-6)
    # 7 x 7 cells on 28 x 28: each covers exactly 4 x 4.
    coarse = np.kron(message["coarse"].finding_cam[1], np.ones((4, 4)))
    grid = (0.3 * coarse + 0.7 * message["fine"].finding_cam[1]) / 1.6
    np.testing.assert_allclose(result[HARDWARE].grid, grid, atol=1e-5)
    assert (
        fuse_findings(message, np.array([1.0, 0.0]), manifest, maps=False)[FRACTURE].grid.size == 0
    )


def test_a_study_is_the_mean_of_its_images_against_each_threshold(
    predictor: Predictor, study: Study
) -> None:
    answer = predictor.predict(study, "sensitive")
    assert answer.abnormal  # its threshold is 0.01
    for c in CATEGORIES:
        mean = np.mean([i.finding_probabilities[c] for i in answer.images])
        assert answer.finding_probabilities[c] == pytest.approx(mean)
        assert answer.finding_thresholds[c] == KNOWN[c].thresholds["sensitive"]
    assert not answer.images[0].finding_maps


@pytest.mark.parametrize(
    ("fracture", "hardware", "leading"),
    [
        (0.0, 0.0, "likelier"),  # both reach their thresholds
        (1.0, 1.0, "likelier"),  # neither does
        (1.0, 0.0, HARDWARE),
        (0.0, 1.0, FRACTURE),
    ],
)
def test_the_most_probable_of_those_that_are_called_leads(
    predictor: Predictor, study: Study, fracture: float, hardware: float, leading: str
) -> None:
    own = {FRACTURE: calibration(0.7, 0.3, fracture), HARDWARE: calibration(1.6, -0.4, hardware)}
    answer = predictor.with_fusion(replace(FITTED, findings=own)).predict(study, "sensitive")
    stated = answer.finding_probabilities
    likelier = max(stated, key=lambda c: stated[c])
    assert answer.leading_finding == (likelier if leading == "likelier" else leading)


def test_no_finding_leads_a_study_that_is_not_called(predictor: Predictor, study: Study) -> None:
    answer = predictor.predict(study, "specificity_0.90")
    assert not answer.abnormal and answer.leading_finding is None
    assert set(answer.finding_probabilities) == set(CATEGORIES)


def test_a_category_without_calibration_is_absent_not_zero(
    predictor: Predictor, study: Study
) -> None:
    one = predictor.with_fusion(replace(FITTED, findings={HARDWARE: KNOWN[HARDWARE]}))
    answer = one.predict(study, "sensitive", heat_maps="findings")
    assert set(answer.finding_probabilities) == set(answer.finding_thresholds) == {HARDWARE}
    assert answer.leading_finding is HARDWARE
    assert {c for i in answer.images for c in i.finding_probabilities} == {HARDWARE}
    assert {c for i in answer.images for c in i.finding_maps} == {HARDWARE}
    none = predictor.with_fusion(replace(FITTED, findings={})).predict(study, "sensitive")
    assert none.finding_probabilities == none.images[0].finding_probabilities == {}
    assert none.leading_finding is None


def test_bundles_of_before_answer_as_they_did(tmp_path: Path, study: Study) -> None:
    """No output finding_cam, no calibration of findings: images' probabilities alone."""
    old = Predictor.load(write_analytic(tmp_path / "old", (COARSE, FINE), BOTH).path)
    answer = old.predict(study, "sensitive")
    assert answer.finding_probabilities == {} and answer.leading_finding is None
    assert set(answer.images[0].finding_probabilities) == set(CATEGORIES)
    assert {f.category for i in answer.images for f in i.findings} <= {None}
    raw = old.outputs(study).images[0].experts
    logit = 0.3 * raw["coarse"].finding[0] + 0.7 * raw["fine"].finding[0]
    message = answer.images[0].finding_probabilities[FRACTURE]
    assert message == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-5)
    with pytest.raises(ConfigError, match="export its run again"):
        old.predict(study, heat_maps="findings")


def test_maps_of_findings_lie_on_the_image(predictor: Predictor, study: Study) -> None:
    answer = predictor.predict(study, heat_maps="findings")
    for image, message in zip(answer.images, predictor.outputs(study).images, strict=True):
        result = fuse_findings(message.experts, np.array([1.0, 0.0]), predictor.manifest)
        for c in CATEGORIES:
            assert image.finding_maps[c].shape == image.heat_map.shape
            wanted = message.placement.to_source(result[c].grid)
            np.testing.assert_allclose(image.finding_maps[c], wanted, atol=1e-6)


def test_a_region_has_the_category_that_is_strongest_in_it() -> None:
    placement = Placement.fit((80, 40), 56)  # 20 px of padding left and right
    grid = np.zeros((8, 8), np.float32)
    grid[1, 3], grid[6, 4] = 2.0, 3.0
    maps = np.zeros((2, 8, 8), np.float32)
    maps[0, 1, 3], maps[1, 1, 3] = 1.0, 0.5
    maps[0, 6, 4], maps[1, 6, 4] = -1.0, 0.2
    maps[0, 0, 0] = 50.0  # far from both
    result = {c: FusedFinding(0.0, 0.0, m) for c, m in zip(CATEGORIES, maps, strict=True)}
    upper = Finding((10.0, 10.0, 10.0, 10.0))  # row 1, column 3 of cells of 10 px
    lower, calm = Finding((20.0, 60.0, 10.0, 10.0)), Finding((20.0, 30.0, 10.0, 10.0))
    named = name_regions((upper, lower, calm), grid, result, placement)
    assert [f.category for f in named] == [FRACTURE, HARDWARE, None]
    assert [f.box for f in named] == [upper.box, lower.box, calm.box]
    assert name_regions((upper,), grid, {}, placement) == (upper,)


def test_a_cascade_that_stops_early_has_the_findings_of_its_own_experts(
    predictor: Predictor, study: Study
) -> None:
    bounds = cascade(0.5, 0.5)  # every study leaves
    early = replace(bounds.stages[0], findings={FRACTURE: calibration(0.9, 0.2, 0.5)})
    cascading = predictor.with_fusion(FITTED, replace(bounds, stages=(early,))).with_cascade()
    answer = cascading.predict(study, "balanced")
    assert answer.skipped_experts == ("fine",)
    assert set(answer.finding_probabilities) == {FRACTURE}
    raw = predictor.outputs(study).images[0].experts["coarse"].finding[0]
    wanted = 1 / (1 + np.exp(-(raw + 0.2) / 0.9))
    assert answer.images[0].finding_probabilities[FRACTURE] == pytest.approx(wanted, rel=1e-5)
    older = predictor.with_fusion(FITTED, bounds).with_cascade().predict(study, "balanced")
    assert older.finding_probabilities == {}


def test_a_manifest_holds_the_calibration_and_is_checked(tmp_path: Path) -> None:
    written = write_analytic(tmp_path / "bundle", MAPPING, FITTED)
    read = read_bundle(tmp_path / "bundle").manifest
    assert read == written.manifest and read.fusion.findings == KNOWN and read.finding_maps
    assert read.abnormal_means == "abnormality"
    strange = {FindingCategory.DISLOCATION: KNOWN[FRACTURE]}
    with pytest.raises(BundleError, match="calibration of findings"):
        replace(read, fusion=replace(FITTED, findings=strange))
    pointless = {FRACTURE: replace(KNOWN[FRACTURE], thresholds={"balanced": 0.5})}
    with pytest.raises(BundleError, match="finding fracture: thresholds for balanced"):
        replace(read, fusion=replace(FITTED, findings=pointless))
    experts = (replace(read.experts[0], finding_biases={FRACTURE: 0.1}), read.experts[1])
    with pytest.raises(BundleError, match="finding biases of expert 'coarse'"):
        replace(read, experts=experts)
    with pytest.raises(BundleError, match="temperature 0"):
        calibration(0.0, 0.0, 0.5)
    with pytest.raises(BundleError, match="expected both"):
        FindingCalibration(1.0, 0.0, {}, 0, 5)
