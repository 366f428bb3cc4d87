"""The whole path from files to an answer, against sums done by hand."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analytic_bundle import (
    CATEGORIES,
    COARSE,
    FINE,
    FITTED,
    PARTS,
    make_study,
    write_analytic,
    write_images,
)

from ulna.config.engine import EngineSettings
from ulna.errors import BundleError, ConfigError, ImageError, ImageWarning
from ulna.imaging import read_radiograph
from ulna.imaging.outline import findings_from_map
from ulna.preprocess import prepare
from ulna.runtime import Predictor
from ulna.runtime.session import Session
from ulna.types import Array, BodyPart, ImageRef, Study

ELBOW, WRIST = PARTS


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    out = tmp_path_factory.mktemp("predictor") / "bundle"
    write_analytic(out, fusion=FITTED)
    return Predictor.load(out, EngineSettings(threads=1))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("images"))


def prepared(study: Study, predictor: Predictor) -> list[Array]:
    spec = predictor.manifest.input_spec
    return [prepare(read_radiograph(i.path), spec)[0] for i in study.images]


def sigmoid(z: float) -> float:
    return float(1 / (1 + np.exp(-z)))


def test_given_part_is_answered_by_its_heads(predictor: Predictor, study: Study) -> None:
    answer = predictor.predict(replace(study, body_part=ELBOW))
    logits = []
    for image in prepared(study, predictor):
        coarse, fine = COARSE.answer(image), FINE.answer(image)
        logits.append((0.3 * coarse["abnormal"][0] + 0.7 * fine["abnormal"][0] + 0.4) / 0.8)
    assert [i.logit for i in answer.images] == pytest.approx(logits, abs=1e-5)
    probability = np.mean([sigmoid(z) for z in logits])
    assert answer.probability == pytest.approx(probability, abs=1e-6)
    assert (answer.body_part, answer.body_part_given) == (ELBOW, True)
    assert answer.threshold == FITTED.thresholds["balanced"][ELBOW]
    assert answer.abnormal == (probability >= 0.5)
    assert answer.bundle_hash == predictor.bundle.hash
    assert answer.skipped == ()


def test_every_map_adds_up_and_lies_on_its_image(predictor: Predictor, study: Study) -> None:
    for given in (ELBOW, WRIST, None):
        answer = predictor.predict(replace(study, body_part=given))
        for ref, image in zip(study.images, answer.images, strict=True):
            assert image.source == str(ref.path)
            assert abs(image.grid.mean(dtype=np.float64) + image.bias - image.logit) <= 1e-4
            assert image.probability == pytest.approx(sigmoid(image.logit))
            radiograph = read_radiograph(ref.path).pixels
            assert image.heat_map.shape == radiograph.shape
            assert image.heat_map.min() >= image.grid.min() - 1e-5
            assert image.heat_map.max() <= image.grid.max() + 1e-5
            assert image.findings == findings_from_map(image.heat_map, 0.6)


def test_body_part_is_recognised_from_all_views(predictor: Predictor, study: Study) -> None:
    answer = predictor.predict(study)
    rows = [
        e.answer(image)["body_part"] for image in prepared(study, predictor) for e in (COARSE, FINE)
    ]
    wanted = np.exp(np.mean(rows, axis=0))
    wanted /= wanted.sum()
    assert not answer.body_part_given
    assert answer.body_part == PARTS[int(np.argmax(wanted))]
    result = [answer.body_part_probabilities[p] for p in PARTS]
    assert result == pytest.approx(wanted.tolist(), abs=1e-6)
    hard = [predictor.predict(replace(study, body_part=p)) for p in PARTS]
    for i, image in enumerate(answer.images):
        mixed = sum(w * h.images[i].logit for w, h in zip(wanted, hard, strict=True))
        assert image.logit == pytest.approx(mixed, abs=1e-5)
        assert sum(image.body_part_probabilities.values()) == pytest.approx(1)


def test_recognise_does_not_look_at_what_is_given(predictor: Predictor, study: Study) -> None:
    blind = predictor.predict(study)
    for part in PARTS:
        answer = predictor.predict(replace(study, body_part=part), body_part="recognise")
        assert answer.probability == blind.probability
        assert not answer.body_part_given


def test_expert_without_weight_is_not_run(
    predictor: Predictor, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    original = Session.run

    def counting(self: Session, images: Array) -> object:
        ran.append(len(images))
        return original(self, images)

    monkeypatch.setattr(Session, "run", counting)
    wrist = predictor.predict(replace(study, body_part=WRIST))
    assert ran == [3]  # one expert, all views at once
    assert set(wrist.experts) == {"coarse"}
    assert wrist.images[0].grid.shape == (7, 7)
    ran.clear()
    assert set(predictor.predict(study).experts) == {"coarse", "fine"}
    assert ran == [3, 3]


@pytest.mark.parametrize("part", [ELBOW, WRIST, None])
def test_answer_from_outputs_is_the_answer(
    predictor: Predictor, study: Study, part: BodyPart | None
) -> None:
    known = replace(study, body_part=part)
    outputs = predictor.outputs(known)
    assert [set(i.experts) for i in outputs.images] == [{"coarse", "fine"}] * 3
    direct = predictor.predict(known)
    later = predictor.predict_outputs(outputs)
    assert later.probability == direct.probability
    assert later.body_part_probabilities == direct.body_part_probabilities
    for a, b in zip(direct.images, later.images, strict=True):
        assert a.finding_probabilities == b.finding_probabilities
        assert np.array_equal(a.heat_map, b.heat_map)
    # Each expert alone, for the comparison with the hybrid, also where its weight is 0.
    column = PARTS.index(later.body_part)
    if part is not None:
        fine = [FINE.answer(i)["abnormal"][column] for i in prepared(study, predictor)]
        assert [i.experts["fine"] for i in later.images] == pytest.approx(fine, abs=1e-5)
        alone = np.mean([sigmoid(z) for z in fine])
        assert later.experts["fine"] == pytest.approx(alone, abs=1e-6)


def test_findings_have_their_probabilities(predictor: Predictor, study: Study) -> None:
    answer = predictor.predict(replace(study, body_part=ELBOW))
    for image, pixels in zip(answer.images, prepared(study, predictor), strict=True):
        z = 0.3 * COARSE.answer(pixels)["finding"] + 0.7 * FINE.answer(pixels)["finding"]
        result = [image.finding_probabilities[c] for c in CATEGORIES]
        assert result == pytest.approx([sigmoid(v) for v in z], abs=1e-6)


def test_operating_points(predictor: Predictor, study: Study) -> None:
    known = replace(study, body_part=ELBOW)
    sensitive = predictor.predict(known, operating_point="sensitive")
    specific = predictor.predict(known, operating_point="specificity_0.90")
    assert (sensitive.threshold, sensitive.abnormal) == (0.01, True)
    assert (specific.threshold, specific.abnormal) == (0.98, False)
    assert specific.operating_point == "specificity_0.90"
    with pytest.raises(ConfigError, match="'best': the bundle has "):
        predictor.predict(known, operating_point="best")


def test_unreadable_image_is_skipped_and_named(
    predictor: Predictor, study: Study, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    broken = replace(study, body_part=ELBOW, images=(*study.images, ImageRef(bad)))
    with pytest.warns(ImageWarning, match=r"skipped: .*bad\.png: the file is empty"):
        answer = predictor.predict(broken)
    assert len(answer.images) == 3
    assert [path for path, _ in answer.skipped] == [str(bad)]
    assert answer.probability == predictor.predict(replace(study, body_part=ELBOW)).probability


def test_study_without_a_readable_image(predictor: Predictor, tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("no image")
    refs = (ImageRef(text), ImageRef(tmp_path / "gone.png"))
    with pytest.raises(ImageError, match=r"no readable radiograph: .*notes\.png.*gone\.png"):
        predictor.predict(Study("p", "s", ELBOW, refs))
    with pytest.raises(ImageError, match="no readable radiograph"):
        predictor.outputs(Study("p", "s", ELBOW, refs))


def test_body_part_unknown_to_the_bundle(predictor: Predictor, study: Study) -> None:
    hand = replace(study, body_part=BodyPart.HAND)
    with pytest.raises(ConfigError, match="body part HAND: the bundle knows ELBOW, WRIST"):
        predictor.predict(hand)
    assert predictor.predict(hand, body_part="recognise").body_part in PARTS


def test_radiographs_that_were_read_already(predictor: Predictor, study: Study) -> None:
    images = [read_radiograph(i.path) for i in study.images]
    by_file = predictor.predict(replace(study, body_part=ELBOW))
    assert predictor.predict_radiographs(images, ELBOW).probability == by_file.probability
    tagged = [replace(f, body_part=ELBOW) for f in images]
    assert predictor.predict_radiographs(tagged).body_part_given
    disagreeing = [tagged[0], *images[1:]]
    answer = predictor.predict_radiographs(disagreeing)
    assert not answer.body_part_given
    assert answer.probability == predictor.predict(study).probability


def test_batch_of_views_is_the_views_alone(predictor: Predictor, study: Study) -> None:
    together = predictor.predict(replace(study, body_part=ELBOW))
    for ref, image in zip(study.images, together.images, strict=True):
        alone = predictor.predict(replace(study, body_part=ELBOW, images=(ref,)))
        assert alone.images[0].logit == pytest.approx(image.logit, abs=1e-6)


def test_damaged_bundle_does_not_load(tmp_path: Path) -> None:
    bundle = write_analytic(tmp_path / "bundle")
    graph = bundle.graph_path(bundle.manifest.experts[1])
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(bytes(data))
    with pytest.raises(BundleError, match=r"fine\.onnx: damaged"):
        Predictor.load(bundle.path)


def test_torch_is_not_needed(tmp_path: Path) -> None:
    write_analytic(tmp_path / "bundle", fusion=FITTED)
    (ref,) = write_images(tmp_path, [(64, 64)])
    code = f"""
import sys
import ulna.runtime
from pathlib import Path
from ulna.config.engine import EngineSettings
from ulna.runtime import Predictor
from ulna.types import ImageRef, Study
answer = Predictor.load({str(tmp_path / "bundle")!r}, EngineSettings(threads=1)).predict(
    Study("p", "s", None, (ImageRef(Path({str(ref.path)!r})),)))
assert 0 < answer.probability < 1
heavy = ("torch", "torchvision", "timm", "lightning", "onnx", "matplotlib", "pandas")
print([m for m in heavy if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_nothing_is_said_of_a_sound_study(predictor: Predictor, study: Study) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        predictor.predict(study)
    assert not caught
