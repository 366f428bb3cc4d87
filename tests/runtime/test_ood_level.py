"""Out-of-distribution levels: known, near and far, and the interval of a near image."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analytic_bundle import BOTH, COARSE, FINE, PARTS, study_of, write_analytic

from ulna.bundle import ConformalScores, ModelBundle, replace_fusion
from ulna.calibration.adapt.pipeline import adapt_bundle
from ulna.calibration.disturb import disturbed
from ulna.calibration.near_fit import margin_of, movements
from ulna.calibration.out_of_distribution_fit import MIN_IMAGES, fit_out_of_distribution
from ulna.calibration.outlier_images import outlier_reference
from ulna.cli.answer import answer_notes, answer_row
from ulna.config.engine import EngineSettings
from ulna.errors import DatasetWarning, ImageWarning
from ulna.runtime import Predictor
from ulna.runtime.answer_json import answer_json
from ulna.runtime.confidence import reliability_of
from ulna.types import Confidence, OodLevel, Triage

EXPERTS = [replace(e, gives_features=True) for e in (COARSE, FINE)]
RNG = np.random.default_rng(0)
SCORES = ConformalScores(
    tuple(np.sort(RNG.uniform(0.0, 0.6, 99)).tolist()),
    tuple(np.sort(RNG.uniform(0.4, 1.0, 99)).tolist()),
)
FUSION = replace(BOTH, conformal=dict.fromkeys(PARTS, SCORES))


def _limb(number: int, level: float = 1.0) -> np.ndarray:
    """A bright limb on a dark ground; level: of another hospital's image below 1."""
    rng = np.random.default_rng(number)
    columns = np.arange(60)[None, :] - 30 - rng.normal(0, 2)
    limb = (
        np.exp(-((columns / rng.uniform(8, 12)) ** 2))
        * np.linspace(1, rng.uniform(0.7, 1), 80)[:, None]
    )
    grey = 20 + 200 * limb**level + rng.normal(0, 4, (80, 60))
    return np.clip(grey, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    folder = tmp_path_factory.mktemp("familiarity")
    plain = write_analytic(folder / "bundle", EXPERTS, FUSION)
    predictor = Predictor.load(plain.path, EngineSettings(threads=1))
    outputs = [
        predictor.outputs(study_of(folder, _limb(i)), True, disturbed)
        for i in range(2 * MIN_IMAGES)
    ]
    names = [e.name for e in plain.manifest.experts]
    out_of_distribution = fit_out_of_distribution(
        outputs, names, outlier_reference(predictor, outputs)
    )
    assert (
        out_of_distribution is not None
        and out_of_distribution.entry.n_outliers["not a radiograph"] == 120
    )
    uncertainty_margin = margin_of(movements(outputs, out_of_distribution, FUSION, plain.manifest))
    assert uncertainty_margin > 0
    return replace_fusion(
        plain,
        FUSION,
        {},
        replace(
            out_of_distribution,
            entry=replace(out_of_distribution.entry, uncertainty_margin=uncertainty_margin),
        ),
    )


@pytest.fixture
def predictor(bundle: ModelBundle) -> Predictor:
    return Predictor.load(bundle.path, EngineSettings(threads=1))


def test_known_images_are_answered_as_before(tmp_path: Path, predictor: Predictor) -> None:
    answers = [predictor.predict(study_of(tmp_path, _limb(1000 + i))) for i in range(40)]
    assert sum(bool(a.refused) for a in answers) <= 1
    known = [a for a in answers if a.out_of_distribution is OodLevel.IN_DISTRIBUTION]
    assert len(known) >= 35
    for answer in known:
        assert answer.interval is None and not answer.flags
        plain = reliability_of(answer.probability, answer.body_part, FUSION, False)
        assert (answer.p_normal, answer.p_abnormal) == (plain["p_normal"], plain["p_abnormal"])


def test_another_hospitals_limb_is_answered_with_a_wider_probability(
    tmp_path: Path, predictor: Predictor
) -> None:
    answers = [predictor.predict(study_of(tmp_path, _limb(i, 0.45))) for i in range(30)]
    near = [a for a in answers if a.out_of_distribution is OodLevel.NEAR]
    assert len(near) >= 20 and sum(bool(a.refused) for a in answers) <= 5
    for answer in near:
        assert answer.interval is not None and answer.images[0].ood_distance is not None
        low, high = answer.interval
        assert low < answer.probability < high
        assert answer.images[0].ood_distance > 1 and not answer.refused
        assert any(
            "another hospital" in f and f"{low:.2f} to {high:.2f}" in f for f in answer.flags
        )
        message = answer_json(answer, 0.1)
        assert message["out_of_distribution"] == "near" and message["probability_interval"] == [
            low,
            high,
        ]
        assert f"({low:.2f} to {high:.2f})" in answer_row(answer, 0.1)[3]


def test_the_farther_an_image_the_wider_its_interval(tmp_path: Path, predictor: Predictor) -> None:
    images = [predictor.predict(study_of(tmp_path, _limb(7, s))).images[0] for s in (0.6, 0.45)]
    near = [i for i in images if i.interval is not None]
    assert len(near) == 2 and near[0].ood_distance < near[1].ood_distance  # type: ignore[operator]
    logit = lambda p: np.log(p / (1 - p))  # noqa: E731
    widths = [logit(i.interval[1]) - logit(i.interval[0]) for i in near]  # type: ignore[index]
    assert widths[0] < widths[1]


def test_what_is_no_limb_gets_a_plain_sentence(tmp_path: Path, predictor: Predictor) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (80, 60)).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImageWarning)
        answer = predictor.predict(study_of(tmp_path, noise))
    assert answer.out_of_distribution is OodLevel.FAR
    assert answer.refused.startswith(
        "does not look like the images this model learned from; no answer"
    )
    assert answer.triage(0.1) is Triage.REFER and answer.interval is None
    assert answer_json(answer, 0.1)["probability"] is None
    assert any("no answer" in note for note in answer_notes(answer))


def test_triage_rules_a_label_out_only_where_both_ends_do() -> None:
    wide = reliability_of(0.5, PARTS[0], FUSION, False, (0.1, 0.9))
    ends = [reliability_of(p, PARTS[0], FUSION, False) for p in (0.1, 0.9)]
    assert wide["p_normal"] == max(e["p_normal"] for e in ends)  # type: ignore[type-var]
    assert wide["p_abnormal"] == max(e["p_abnormal"] for e in ends)  # type: ignore[type-var]
    assert wide["confidence"] is Confidence.DOUBTFUL
    point = reliability_of(0.5, PARTS[0], FUSION, False, (0.5, 0.5))
    assert point == reliability_of(0.5, PARTS[0], FUSION, False)


def test_a_bundle_of_an_earlier_version_refuses_by_distance(
    tmp_path: Path, bundle: ModelBundle
) -> None:
    out_of_distribution = Predictor.load(bundle.path, EngineSettings(threads=1))._detector
    assert out_of_distribution is not None
    old = write_analytic(tmp_path / "old", EXPERTS, FUSION)
    entry = replace(
        out_of_distribution.entry, outlier_experts=(), n_outliers={}, uncertainty_margin=0.0
    )
    replace_fusion(old, FUSION, {}, replace(out_of_distribution, entry=entry, heads={}))
    answer = Predictor.load(old.path, EngineSettings(threads=1)).predict(
        study_of(tmp_path, _limb(3, 0.45))
    )
    assert answer.refused and "times as far as the limit" in answer.refused
    assert answer.out_of_distribution is OodLevel.FAR and answer.images[0].outlier_score is None


def test_an_adapted_bundle_scales_its_intervals_along(tmp_path: Path, bundle: ModelBundle) -> None:
    """The uncertainty margin is in calibrated logits, so it does not change with the scale."""
    images = [study_of(tmp_path, _limb(i, 0.45)) for i in range(24)]
    before = [Predictor(bundle).predict(f) for f in images]
    order = np.argsort([a.probability for a in before])
    ill = np.isin(np.arange(24), order[12:])  # in the order of the answers: a scale far from 1
    studies = [replace(f, abnormal=bool(a)) for f, a in zip(images, ill, strict=True)]
    with pytest.warns(DatasetWarning, match="no study of"):
        result = adapt_bundle(bundle.path, studies, tmp_path / "ours")
    assert result.shift.scale < 0.8
    after = [Predictor(result.bundle).predict(f) for f in images]
    widths = [[_width(a.interval) for a in answers if a.interval] for answers in (before, after)]
    assert len(widths[0]) >= 15
    assert np.array(widths[1]) == pytest.approx(np.array(widths[0]) / result.shift.scale, rel=1e-3)


def _width(interval: tuple[float, float]) -> float:
    low, high = (float(np.log(p / (1 - p))) for p in interval)
    return high - low
