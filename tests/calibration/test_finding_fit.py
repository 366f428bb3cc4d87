"""Calibration of findings: Platt over all parts, a threshold each, absent where not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special
from sklearn.linear_model import LogisticRegression
from tests.evaluation.synthetic_studies import PARTS, make_manifest

from ulna.bundle import CascadeParameters, CascadeStage, Manifest
from ulna.calibration.finding_fit import fit_findings, with_findings, without_finding_maps
from ulna.errors import DatasetWarning
from ulna.runtime.fusion import ExpertOutput
from ulna.runtime.outputs import ImageOutputs, StudyOutputs
from ulna.types import FindingCategory, ImageRef, Study

FRACTURE, HARDWARE, LYTIC, *_ = FindingCategory
KINDS = (FRACTURE, HARDWARE)
EQUAL = {p: {"cnn": 0.5, "tiny": 0.5} for p in PARTS}


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return replace(make_manifest(), categories=KINDS)


def outputs(n: int, sharp: float = 1.0, shift: float = 0.0, seed: int = 0) -> list:
    """Log odds of each category; the experts' logits are `sharp` times that plus `shift`."""
    rng = np.random.default_rng(seed)
    result = []
    for k in range(n):
        z = rng.normal(-1, 2, 2)
        named = frozenset(
            c for c, odds in zip(KINDS, z, strict=True) if rng.random() < special.expit(odds)
        )
        ref = (ImageRef(Path("a.png")),)
        study = Study(f"p{k}", "s", PARTS[k % 3], ref, bool(named), categories=named)
        message = {
            "cnn": SimpleNamespace(finding=sharp * z + shift + 0.3),
            "tiny": SimpleNamespace(finding=sharp * z + shift - 0.3),
        }
        result.append(SimpleNamespace(study=study, images=(SimpleNamespace(experts=message),)))
    return result


@pytest.mark.parametrize(("sharp", "shift"), [(0.5, 0.0), (1.0, 1.5), (3.0, -2.0)])
def test_sharpness_and_shift_are_undone(manifest: Manifest, sharp: float, shift: float) -> None:
    result = fit_findings(outputs(1500, sharp, shift, seed=1), EQUAL, manifest)
    for own in result.values():
        assert own.temperature == pytest.approx(sharp, rel=0.25)
        assert own.offset == pytest.approx(-shift, abs=0.4 * sharp)
        assert own.n_present + own.n_absent == 1500


def test_it_is_the_logistic_regression_where_studies_are_many(manifest: Manifest) -> None:
    data = outputs(3000, 2.0, 0.7)
    x = np.array([[o.images[0].experts["cnn"].finding[0] - 0.3] for o in data])
    y = np.array([FRACTURE in o.study.categories for o in data])
    peer = LogisticRegression(C=1e6).fit(x, y)
    own = fit_findings(data, EQUAL, manifest)[FRACTURE]
    assert 1 / own.temperature == pytest.approx(peer.coef_[0, 0], rel=0.02)
    assert own.offset / own.temperature == pytest.approx(peer.intercept_[0], abs=0.03)


def test_thresholds_are_those_of_their_operating_points(manifest: Manifest) -> None:
    data = outputs(2000)
    own = fit_findings(data, EQUAL, manifest)[HARDWARE]
    z = np.array([o.images[0].experts["cnn"].finding[1] - 0.3 for o in data])
    p = special.expit((z + own.offset) / own.temperature)
    y = np.array([HARDWARE in o.study.categories for o in data])
    called = {point: p >= t for point, t in own.thresholds.items()}
    assert np.mean(~called["specificity_0.90"][~y]) == pytest.approx(0.90, abs=0.005)
    assert np.mean(~called["specific"][~y]) == pytest.approx(0.95, abs=0.005)
    assert np.mean(called["sensitive"][y]) == pytest.approx(0.95, abs=0.005)


def test_a_category_that_no_study_knows_is_absent(manifest: Manifest) -> None:
    data = outputs(200)
    for o in data:
        if HARDWARE in o.study.categories:
            object.__setattr__(o.study, "categories", frozenset())
            object.__setattr__(o.study, "abnormal", False)
    with pytest.warns(DatasetWarning, match=r"hardware \(0 with, 200 without\)"):
        assert set(fit_findings(data, EQUAL, manifest)) == {FRACTURE}
    for o in data:
        object.__setattr__(o.study, "categories", None)
    assert fit_findings(data, EQUAL, manifest) == {}


def test_a_category_unknown_in_training_is_absent_whatever_calibration_knows(
    manifest: Manifest,
) -> None:
    counts = {FRACTURE: (20, 30), HARDWARE: (0, 50)}
    learned = replace(manifest, data=replace(manifest.data, findings=counts))
    assert set(fit_findings(outputs(200), EQUAL, learned)) == {FRACTURE}


def test_a_label_that_means_fracture_calibrates_fracture_alone(manifest: Manifest) -> None:
    data = outputs(300)
    for o in data:
        object.__setattr__(o.study, "abnormal", FRACTURE in o.study.categories)
        object.__setattr__(o.study, "categories", None)
    recipe = replace(manifest.recipe, abnormal_means="fracture")
    result = fit_findings(data, EQUAL, replace(manifest, recipe=recipe))
    assert set(result) == {FRACTURE}
    assert result[FRACTURE].n_present == sum(o.study.abnormal for o in data)


def test_every_stage_of_a_cascade_has_its_own(manifest: Manifest) -> None:
    part = dict.fromkeys(PARTS, 1.0)
    stage = CascadeStage(("tiny",), part, part, {}, {})
    bare = CascadeParameters((stage,), {"cnn": 2.0, "tiny": 1.0}, 0.01, 0.9, {})
    data = outputs(600)
    whole = fit_findings(data, EQUAL, manifest)
    fusion = replace(manifest.fusion, weights=EQUAL, findings=whole)
    cascade = with_findings(bare, data, fusion, manifest)
    assert cascade is not None
    own = cascade.stages[0].findings[FRACTURE]
    # the logit of 'tiny' is 0.3 lower than that of both together
    assert own.offset - whole[FRACTURE].offset == pytest.approx(0.3, abs=0.05)
    assert with_findings(None, data, fusion, manifest) is None


def test_maps_of_findings_are_not_kept_for_thousands_of_studies() -> None:
    one = np.ones((2, 7, 7), np.float32)
    message = ExpertOutput(one[0, 0], one[0, 0], one[0, 0], one, finding_cam=one)
    ref = ImageRef(Path("a.png"))
    image = ImageOutputs(ref, None, {"cnn": message})  # type: ignore[arg-type]
    bare = without_finding_maps(StudyOutputs(Study("p", "s", None, (ref,)), (image,)))
    assert bare.images[0].experts["cnn"].finding_cam.size == 0
    assert bare.images[0].experts["cnn"].cam is one
