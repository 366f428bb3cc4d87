"""The cascade stops where it is certain, runs no needless expert, and changes nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analytic_bundle import BOTH, COARSE, FINE, PARTS, cascade, make_study, write_analytic
from PIL import Image

from ulna.bundle import CascadeParameters
from ulna.errors import ConfigError
from ulna.imaging import read_radiograph
from ulna.preprocess import prepare
from ulna.runtime import Predictor
from ulna.types import Array, BodyPart, ImageRef, Study, StudyPrediction

ELBOW, WRIST = PARTS


class Counting:
    """A session that counts the images it is given."""

    def __init__(self, session: object) -> None:
        self.session, self.images = session, 0

    def run(self, batch: Array) -> object:
        self.images += len(batch)
        return self.session.run(batch)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    out = tmp_path_factory.mktemp("cascade") / "bundle"
    write_analytic(out, fusion=BOTH)
    return Predictor.load(out)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("images"), ELBOW)


def counted(whole: Predictor, result: CascadeParameters) -> tuple[Predictor, dict[str, Counting]]:
    predictor = whole.with_fusion(BOTH, result).with_cascade()
    sessions = {n: Counting(s) for n, s in predictor._sessions.items()}
    predictor._sessions = sessions  # type: ignore[assignment]
    return predictor, sessions


def coarse_logits(study: Study, predictor: Predictor) -> list[float]:
    """The stage's answer for the elbow, by hand."""
    spec = predictor.manifest.input_spec
    images = [prepare(read_radiograph(i.path), spec)[0] for i in study.images]
    return [float((COARSE.answer(f)["abnormal"][0] + 0.1) / 0.9) for f in images]


def assert_same(one: StudyPrediction, other: StudyPrediction) -> None:
    assert one.probability == other.probability and one.abnormal == other.abnormal
    for a, b in zip(one.images, other.images, strict=True):
        assert (a.logit, a.bias, a.findings) == (b.logit, b.bias, b.findings)
        np.testing.assert_array_equal(a.grid, b.grid)
        np.testing.assert_array_equal(a.heat_map, b.heat_map)


def test_a_certain_study_is_answered_by_the_first_expert_alone(
    whole: Predictor, study: Study
) -> None:
    logits = coarse_logits(study, whole)
    p = float(np.mean(1 / (1 + np.exp(-np.array(logits)))))
    assert p < 0.4999
    predictor, sessions = counted(whole, cascade(p + 1e-4, 1.0))
    answer = predictor.predict(study)
    assert answer.skipped_experts == ("fine",) and set(answer.experts) == {"coarse"}
    assert sessions["fine"].images == 0 and sessions["coarse"].images == len(study.images)
    assert [i.logit for i in answer.images] == pytest.approx(logits, abs=1e-5)
    assert answer.probability == pytest.approx(p, abs=1e-6)
    for image in answer.images:  # completeness, at the stage's own temperature
        assert abs(image.grid.mean(dtype=np.float64) + image.bias - image.logit) <= 1e-4
        assert image.grid.shape == (COARSE.grid, COARSE.grid)


def test_an_uncertain_study_is_answered_by_all_and_each_runs_once(
    whole: Predictor, study: Study
) -> None:
    p = float(np.mean(1 / (1 + np.exp(-np.array(coarse_logits(study, whole))))))
    predictor, sessions = counted(whole, cascade(p - 1e-4, 1.0))
    answer = predictor.predict(study)
    assert answer.skipped_experts == ()
    assert {n: s.images for n, s in sessions.items()} == dict.fromkeys(sessions, len(study.images))
    assert_same(answer, whole.predict(study))


@pytest.mark.parametrize("part", [ELBOW, WRIST, None])
def test_without_bounds_it_is_the_whole_hybrid(
    whole: Predictor, study: Study, part: BodyPart | None
) -> None:
    predictor = whole.with_fusion(BOTH, cascade(0.0, 1.0)).with_cascade()
    requested = replace(study, body_part=part)
    answer = predictor.predict(requested)
    assert_same(answer, whole.predict(requested))
    assert answer.confidence == whole.predict(requested).confidence is not None
    views = [read_radiograph(i.path) for i in study.images]
    assert_same(predictor.predict_radiographs(views, part), whole.predict_radiographs(views, part))


def test_bounds_belong_to_their_operating_point(whole: Predictor, study: Study) -> None:
    predictor = whole.with_fusion(BOTH, cascade(0.5, 1.0)).with_cascade()
    assert predictor.predict(study, "balanced").skipped_experts == ("fine",)
    assert predictor.predict(study, "specific").skipped_experts == ()


def test_what_is_promised_of_an_early_answer(whole: Predictor, study: Study) -> None:
    predictor = whole.with_fusion(BOTH, cascade(0.5, 1.0)).with_cascade()
    answer = predictor.predict(study)
    assert answer.confidence is None
    # (1 + number of the cascade's own normal calibration studies at least as high) / (1 + 2)
    assert answer.p_normal == pytest.approx((1 + (answer.probability <= 0.9)) / 3)
    assert whole.predict(study).p_normal == pytest.approx(1 / 4)


def test_all_outputs_give_the_answer_of_those_that_were_run(whole: Predictor, study: Study) -> None:
    for low in (0.5, 0.0):
        predictor = whole.with_fusion(BOTH, cascade(low, 1.0)).with_cascade()
        assert_same(predictor.predict_outputs(whole.outputs(study)), predictor.predict(study))


def test_an_unsure_body_part_never_leaves(whole: Predictor, study: Study) -> None:
    unknown = replace(study, body_part=None)
    predictor = whole.with_fusion(BOTH, cascade(0.5, 1.0)).with_cascade()
    assert max(predictor.predict(unknown).body_part_probabilities.values()) < 0.95
    assert predictor.predict(unknown).skipped_experts == ()


def test_a_refused_view_never_leaves(whole: Predictor, study: Study, tmp_path: Path) -> None:
    Image.fromarray(np.tile(np.arange(88, 92, dtype=np.uint8), (80, 20))).save(
        tmp_path / "blank.png"
    )
    blank = replace(study, images=(*study.images, ImageRef(tmp_path / "blank.png")))
    predictor = whole.with_fusion(BOTH, cascade(0.5, 1.0)).with_cascade()
    for cascading in (predictor, predictor.without_refusal()):
        answer = cascading.predict(blank)
        assert answer.skipped_experts == () and answer.images[-1].refusal


def test_a_part_of_one_expert_skips_nothing(whole: Predictor, study: Study) -> None:
    fusion = replace(
        BOTH, weights={ELBOW: {"coarse": 1.0, "fine": 0.0}, WRIST: BOTH.weights[WRIST]}
    )
    result = whole.with_fusion(fusion, cascade(0.5, 1.0))
    answer = result.with_cascade().predict(study)
    assert answer.skipped_experts == ()
    assert_same(answer, result.predict(study))


def test_one_expert_answers_as_before(tmp_path: Path, study: Study) -> None:
    write_analytic(tmp_path / "one", (FINE,))
    one = Predictor.load(tmp_path / "one")
    assert_same(one.with_cascade().predict(study), one.predict(study))


def test_a_bundle_without_a_cascade_says_what_to_do(whole: Predictor) -> None:
    with pytest.raises(ConfigError, match="ulna calibrate"):
        whole.with_cascade()
