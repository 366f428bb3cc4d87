"""Outliers are refused with a reason or left out, and inverted images are corrected."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analytic_bundle import COARSE, FINE, FITTED, study_of, write_analytic
from PIL import Image, ImageDraw

from ulna.bundle import ModelBundle, read_bundle, replace_fusion
from ulna.calibration.out_of_distribution_fit import MIN_IMAGES, fit_out_of_distribution
from ulna.config.engine import EngineSettings
from ulna.errors import BundleError, ImageWarning
from ulna.runtime import Predictor
from ulna.types import StudyPrediction, Triage

EXPERTS = [replace(e, gives_features=True) for e in (COARSE, FINE)]


def _image(number: int) -> np.ndarray:
    """A bright limb on a dark ground, of its own width, place and greys."""
    rng = np.random.default_rng(number)
    columns = np.arange(60)[None, :] - 30 - rng.normal(0, 2)
    limb = (
        np.exp(-((columns / rng.uniform(8, 12)) ** 2))
        * np.linspace(1, rng.uniform(0.7, 1), 80)[:, None]
    )
    grey = 20 + 200 * limb + rng.normal(0, 4, (80, 60))
    return np.clip(grey, 0, 255).astype(np.uint8)


def _page() -> np.ndarray:
    page = Image.new("1", (60, 80), 1)
    for line in range(4, 76, 11):
        ImageDraw.Draw(page).text((2, line), "radius ulna", fill=0)
    return np.asarray(page.convert("L"))


FOREIGN = {
    "noise": np.random.default_rng(1).integers(0, 256, (80, 60)).astype(np.uint8),
    "page": _page(),
    "blank": np.full((80, 60), 90, np.uint8),
    "ramp": np.repeat(np.linspace(0, 255, 60)[None], 80, axis=0).astype(np.uint8),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    folder = tmp_path_factory.mktemp("screen")
    plain = write_analytic(folder / "bundle", EXPERTS, FITTED)
    predictor = Predictor.load(plain.path, EngineSettings(threads=1))
    # one in twenty of the calibration images came inverted
    images = [255 - _image(i) if i % 20 == 7 else _image(i) for i in range(2 * MIN_IMAGES)]
    outputs = [predictor.outputs(study_of(folder, f), negatives=True) for f in images]
    names = [e.name for e in plain.manifest.experts]
    return replace_fusion(plain, FITTED, {}, fit_out_of_distribution(outputs, names))


@pytest.fixture
def predictor(bundle: ModelBundle) -> Predictor:
    return Predictor.load(bundle.path, EngineSettings(threads=1))


def test_images_like_those_of_calibration_are_accepted(
    tmp_path: Path, predictor: Predictor
) -> None:
    refused = [
        bool(predictor.predict(study_of(tmp_path, _image(1000 + i))).refused) for i in range(60)
    ]
    assert sum(refused) <= 3


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_study_is_refused(tmp_path: Path, predictor: Predictor, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImageWarning)
        answer = predictor.predict(study_of(tmp_path, FOREIGN[kind]))
    assert answer.refused == answer.images[0].refusal != ""
    assert answer.p_normal is None and answer.confidence is None
    assert answer.triage(0.1) == Triage.REFER
    assert ("blank" in answer.refused) == (kind == "blank")
    assert kind != "page" or "text page" in answer.refused


def test_a_single_foreign_view_is_left_out_and_said(tmp_path: Path, predictor: Predictor) -> None:
    study = study_of(tmp_path, _image(1), FOREIGN["noise"], _image(2))
    answer = predictor.predict(study)
    alone = predictor.predict(replace(study, images=(study.images[0], study.images[2])))
    assert not answer.refused
    assert answer.probability == pytest.approx(alone.probability, abs=1e-6)
    assert [bool(i.refusal) for i in answer.images] == [False, True, False]
    assert any(f.startswith(f"{study.images[1].path.name}: left out") for f in answer.flags)
    everything = predictor.without_refusal().predict(study)
    assert everything.probability == pytest.approx(
        np.mean([i.probability for i in answer.images]), abs=1e-6
    )
    assert everything.images[1].refusal and not everything.flags


def test_an_inverted_image_is_corrected(tmp_path: Path, predictor: Predictor) -> None:
    for number in range(20):
        upright = predictor.predict(study_of(tmp_path, _image(number)))
        turned = predictor.predict(study_of(tmp_path, 255 - _image(number)))
        assert turned.images[0].inverted and not upright.images[0].inverted
        assert turned.probability == pytest.approx(upright.probability, abs=0.01)
        assert any("polarity inverted" in f for f in turned.flags)


def test_views_that_disagree_on_the_body_part_are_flagged(
    tmp_path: Path, bundle: ModelBundle
) -> None:
    sure = [replace(e, slopes=(40.0, -40.0), levels=(30.0, -30.0)) for e in (COARSE, FINE)]
    plain = Predictor.load(
        write_analytic(tmp_path / "sure", sure, FITTED).path, EngineSettings(threads=1)
    )
    dark, bright = _image(0) // 8, 255 - _image(0) // 8
    dark[:2], bright[:2] = 255, 0
    mixed = plain.predict(study_of(tmp_path, dark, bright))
    assert any(f.startswith("views disagree on the body part") for f in mixed.flags)
    assert not plain.predict(study_of(tmp_path, dark, dark)).flags


def test_a_bundle_without_features_says_nothing(tmp_path: Path) -> None:
    old = Predictor.load(
        write_analytic(tmp_path / "old", fusion=FITTED).path, EngineSettings(threads=1)
    )
    answer = old.predict(study_of(tmp_path, FOREIGN["noise"]))
    assert not answer.refused and answer.images[0].ood_distance is None
    outputs = [old.outputs(answer.study, negatives=True)] * MIN_IMAGES
    assert fit_out_of_distribution(outputs, ["coarse", "fine"]) is None


def test_few_images_are_too_few(tmp_path: Path, predictor: Predictor) -> None:
    outputs = [predictor.outputs(study_of(tmp_path, _image(1)), negatives=True)] * (MIN_IMAGES - 1)
    assert fit_out_of_distribution(outputs, ["coarse"]) is None


def test_the_statistics_are_part_of_the_verified_bundle(tmp_path: Path) -> None:
    plain = write_analytic(tmp_path / "b", EXPERTS, FITTED)
    predictor = Predictor.load(plain.path, EngineSettings(threads=1))
    outputs = [
        predictor.outputs(study_of(tmp_path, _image(i)), negatives=True) for i in range(MIN_IMAGES)
    ]
    out_of_distribution = fit_out_of_distribution(outputs, ["coarse", "fine"])
    fitted = replace_fusion(plain, FITTED, {}, out_of_distribution)
    assert replace_fusion(fitted, FITTED, {}, out_of_distribution).hash == fitted.hash
    entry = fitted.manifest.out_of_distribution
    assert entry is not None and set(entry.limits) == {"coarse", "fine"}
    file = fitted.path / entry.file
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BundleError, match=entry.file):
        read_bundle(fitted.path)
    # a new calibration takes the old statistics away
    file.write_bytes(b"")
    assert not (replace_fusion(fitted, FITTED, {}).path / entry.file).exists()


@pytest.mark.filterwarnings("ignore::ulna.errors.ImageWarning")
def test_a_stream_refuses_and_puts_right_as_one_study_at_a_time(
    tmp_path: Path, predictor: Predictor
) -> None:
    images = [_image(3000 + i) for i in range(12)]
    images[3], images[8] = 255 - images[3], 255 - images[8]
    studies = [study_of(tmp_path, image) for image in images]
    studies += [study_of(tmp_path, _image(99), image) for image in FOREIGN.values()]
    studies += [study_of(tmp_path, image) for image in FOREIGN.values()]
    wanted = [predictor.predict(s) for s in studies]
    assert sum(a.images[0].inverted for a in wanted) >= 2
    assert sum(bool(a.refused) for a in wanted) >= 3
    for batch in predictor.stream(studies, workers=2):
        for study, answer in batch:
            same = wanted[studies.index(study)]
            assert isinstance(answer, StudyPrediction)
            assert (answer.refused, answer.flags) == (same.refused, same.flags)
            assert answer.probability == pytest.approx(same.probability, abs=1e-6)
            for a, b in zip(answer.images, same.images, strict=True):
                assert (a.inverted, a.refusal) == (b.inverted, b.refusal)
                assert a.ood_distance == pytest.approx(b.ood_distance, abs=1e-6)
