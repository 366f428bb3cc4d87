"""The audit on images whose label nobody can see: all that is found is leaked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from ulna.errors import ConfigError, DatasetError, ImageWarning
from ulna.training.audit import AuditPlan, audit
from ulna.training.audit.images import first_images, split_by_image, split_by_patient
from ulna.training.audit.steps import interval, score_answers
from ulna.types import BodyPart, ImageRef, Study

PARTS = (BodyPart.ELBOW, BodyPart.WRIST)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    """90 patients of 4 noisy views of one texture each; the label is a coin, the region is not."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(5)
    result = []
    for i in range(90):
        texture = rng.uniform(0, 110, (8, 8)).repeat(8, 0).repeat(8, 1)
        views = []
        for v in range(4):
            image = texture + 100 * (i % 2) + rng.normal(0, 6, texture.shape)
            path = folder / f"{i}_{v}.png"
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path)
            views.append(ImageRef(path))
        result.append(Study(f"p{i}", f"s{i}", PARTS[i % 2], tuple(views), bool(rng.random() < 0.5)))
    return result


def test_what_cannot_be_known_is_found_only_where_views_leak(studies: list[Study]) -> None:
    plan = AuditPlan("cnn", epochs=12, size=64, learning_rate=4e-3, test_share=0.4)
    result = audit(studies, plan, lambda *_: None)
    prototype, target, last, patients, study = result.steps
    assert prototype.accuracy.value > 0.95  # the region is plain to see
    assert last.accuracy.low > 0.6  # of a coin
    assert patients.accuracy.low < 0.6
    assert patients.change is not None and patients.change.high < 0
    assert target.accuracy.value >= last.accuracy.value  # the best epoch looks no worse
    assert study.unit == "study" and study.n < patients.n
    assert abs(result.kappa) < 0.6 and result.parts == ("ELBOW", "WRIST")
    changes = sum(s.change.value for s in result.steps if s.change)
    assert prototype.accuracy.value + changes == pytest.approx(study.accuracy.value)


def test_images_are_the_first_of_each_region_squashed(studies: list[Study]) -> None:
    images = first_images(studies, 10, 32, lambda *_: None)
    assert images.pixels.shape == (20, 32, 32) and np.bincount(images.part).tolist() == [10, 10]
    assert images.studies[:4] == (studies[0].key,) * 4
    wide = Image.fromarray(np.tile(np.arange(96, dtype=np.uint8), (24, 1)))
    path = studies[0].images[0].path.with_name("wide.png")
    wide.save(path)
    study = Study("q", "q", PARTS[0], (ImageRef(path),), True)
    pixels = first_images([study, *studies], 12, 32, lambda *_: None).pixels[0]
    assert pixels[:, 0].max() < 5 and pixels[:, -1].min() > 90  # the whole width is there


def test_an_unreadable_image_is_passed_over(studies: list[Study], tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    broken = Study("q", "q", PARTS[0], (ImageRef(tmp_path / "broken.png"),), True)
    with pytest.warns(ImageWarning, match=r"skipped: .*broken\.png"):
        images = first_images([broken, *studies], 10, 32, lambda *_: None)
    assert np.bincount(images.part).tolist() == [10, 10] and broken.key not in images.studies


@pytest.mark.parametrize("seed", range(5))
def test_one_split_parts_patients_and_the_other_does_not(seed: int) -> None:
    patients = [f"p{i // 4}" for i in range(200)]
    for split, apart in ((split_by_patient(patients, 0.2, seed), True), 
                         (split_by_image(200, 0.2, seed), False)):  # fmt: skip
        train, test = split
        assert sorted([*train, *test]) == list(range(200))
        assert len(test) == 40
        shared = {patients[i] for i in train} & {patients[i] for i in test}
        assert bool(shared) != apart


def test_the_interval_is_that_of_a_share_and_pairs_are_paired() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 400)
    answer = np.where(rng.random(400) < 0.8, target, 1 - target)
    patients = [f"p{i}" for i in range(400)]
    one = score_answers(answer.tolist(), target.tolist(), patients)
    result = interval(one)
    exact = stats.binomtest(int(one.correct.sum()), 400).proportion_ci(method="wilson")
    assert result.low == pytest.approx(exact.low, abs=0.01)
    assert result.high == pytest.approx(exact.high, abs=0.01)
    assert one.chance == max(target.mean(), 1 - target.mean())
    same = interval(one, one)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    others = score_answers(answer.tolist(), target.tolist(), [f"q{i}" for i in range(400)])
    apart = interval(one, others)
    assert apart.high - apart.low > 1.3 * (result.high - result.low)


def test_data_that_cannot_be_audited_is_refused(studies: list[Study]) -> None:
    with pytest.raises(DatasetError, match="at least two regions"):
        audit(studies[::2], AuditPlan(size=32), lambda *_: None)
    alone = [replace(s, patient_id="p") for s in studies[:8]]
    with pytest.raises(DatasetError, match="of 1 patient"):
        audit(alone, AuditPlan(size=32), lambda *_: None)
    with pytest.raises(ConfigError, match="epochs 1: expected a number from 2"):
        AuditPlan(epochs=1)
    with pytest.raises(ConfigError, match="unknown encoder"):
        audit(studies, AuditPlan("resnet51", size=32, images=8), lambda *_: None)
