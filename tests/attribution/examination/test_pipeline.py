"""`examine` on a bundle that reads brightness: files, the verdict in the bundle, faults."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.runtime.analytic_bundle import COARSE, FINE, write_analytic

from ulna.attribution.examination import ExaminationPlan, examine
from ulna.bundle import map_verdict, read_bundle, replace_examination, replace_fusion
from ulna.errors import BundleError, DatasetError, ImageWarning
from ulna.evaluation.scores import Resampling
from ulna.report.writers import figure_writer
from ulna.runtime import Predictor
from ulna.types import BodyPart, Finding, ImageRef, Study

PLAN = ExaminationPlan(6, 0, Resampling(200, 0))


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    """Images with a soft bright spot of known place and, below, stripes with more edges than that;
    every third one normal."""
    folder = tmp_path_factory.mktemp("images")
    result = []
    for i in range(9):
        rng = np.random.default_rng(i)
        image = rng.uniform(40, 60, (84, 70))
        x, y = (int(v) for v in rng.integers(8, 50, 2))
        image[66:, :] = np.where(np.arange(70) % 8 < 4, 0, 200)
        down, across = np.mgrid[:84, :70] + 0.5
        image += 190 * np.exp(-((down - y - 5) ** 2 + (across - x - 5) ** 2) / 50)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
        findings = (Finding((x, y, 10, 10)),) if i % 3 else ()
        ref = ImageRef(folder / f"{i}.png", findings=findings)
        result.append(Study(f"p{i}", f"s{i}", BodyPart.ELBOW, (ref,), bool(i % 3)))
    return result


def test_the_verdict_goes_into_the_bundle_and_its_answers(
    studies: list[Study], tmp_path: Path
) -> None:
    replicas = [replace(FINE, name="fine-0"), replace(FINE, name="fine-1", gains=(0.9, 2.0))]
    before = write_analytic(tmp_path / "bundle", replicas)
    assert Predictor.load(before.path).predict(studies[0]).map_reliable is None
    assert "not examined" in map_verdict(before.manifest.map_examination)
    bundle, result = examine(before.path, studies, tmp_path / "out", PLAN, "spots", figure_writer())
    again, same = examine(before.path, studies, tmp_path / "again", PLAN, "spots", figure_writer())
    assert result == same and again.hash == bundle.hash == result["bundle"]
    verdict = read_bundle(before.path).manifest.map_examination
    assert verdict == bundle.manifest.map_examination and bundle.hash != before.hash
    assert verdict is not None and verdict.n_images == result["n_images"] == 6
    by_name = {t.name: t for t in verdict.tests}
    assert by_name["pointing game"].passed and by_name["average precision"].passed
    assert by_name["repeatability"].value == pytest.approx(1)  # the same map but for a gain
    answer = Predictor.load(before.path).predict(studies[0])
    assert answer.map_reliable == verdict.reliable
    saved = json.loads((tmp_path / "out/examination.json").read_text())
    assert (saved["engine"], saved["arithmetic"]) == ("onnxruntime:fp32", "fp32")
    assert saved["pointing"]["map"]["value"] == 1 > saved["pointing"]["random"]["value"]
    with Image.open(tmp_path / "out/examination.png") as picture:
        assert picture.width > 500
    failed = replace(by_name["insertion"], low=-1.0)
    replace_examination(bundle, replace(verdict, tests=(failed,)))
    words = map_verdict(read_bundle(before.path).manifest.map_examination)
    assert "UNRELIABLE, failed insertion (1 of 1 tests) on 6 images of spots" in words
    assert Predictor.load(before.path).predict(studies[0]).map_reliable is False
    with pytest.raises(BundleError, match="changed since it was read"):
        replace_examination(bundle, verdict)


def test_a_new_calibration_makes_the_verdict_void(studies: list[Study], tmp_path: Path) -> None:
    before = write_analytic(tmp_path / "bundle", [COARSE])
    bundle, result = examine(before.path, studies, tmp_path / "out", PLAN, "spots", figure_writer())
    assert result["repeated"] is None and "repeatability" in result["verdict"]["not_made"]
    after = replace_fusion(bundle, bundle.manifest.fusion, {})
    assert bundle.manifest.map_examination and after.manifest.map_examination is None


def test_unreadable_images_are_left_out_with_a_warning(
    studies: list[Study], tmp_path: Path
) -> None:
    bundle = write_analytic(tmp_path / "bundle", [FINE])
    (tmp_path / "broken.png").write_bytes(b"no image")
    bad = ImageRef(tmp_path / "broken.png", findings=(Finding((0, 0, 5, 5)),))
    one, two, three = studies[1], studies[2], studies[4]
    requested = [replace(one, images=(bad,)), replace(two, images=(bad, *two.images)), three]
    with pytest.warns(ImageWarning) as caught:
        _, result = examine(
            bundle.path, requested, tmp_path / "out", PLAN, "spots", figure_writer()
        )
    assert result["n_images"] == 2 and result["n_studies"] == 3
    assert any("not examined" in str(w.message) for w in caught)


def test_without_a_known_place_nothing_is_examined(studies: list[Study], tmp_path: Path) -> None:
    bundle = write_analytic(tmp_path / "bundle")
    with pytest.raises(DatasetError, match="with masks or boxes"):
        examine(bundle.path, studies[::3], tmp_path / "out", PLAN, "spots", figure_writer())
    assert not (tmp_path / "out").exists()
