"""A teacher's answers: computed once, stored whole, transformed like the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.runtime.analytic_bundle import COARSE, FINE, FITTED, write_analytic
from tests.training.taught_tiny import STILL, student

from ulna.errors import ImageWarning, TrainingError, UlnaWarning
from ulna.imaging import read_radiograph
from ulna.imaging.geometry import area_matrix
from ulna.preprocess import normalise, prepare
from ulna.runtime import Predictor
from ulna.training.batches import Batches
from ulna.training.cache import build_cache
from ulna.training.ranks.group import SINGLE_PROCESS
from ulna.training.teacher.answers import read_answers
from ulna.training.teacher.collect import collect_teacher_answers
from ulna.types import ImageRef, Study


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def teacher(tmp_path: Path) -> Predictor:
    return Predictor.load(write_analytic(tmp_path / "teacher", fusion=FITTED).path)


def test_answers_are_those_of_the_bundle(
    teacher: Predictor, tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    """Reference: the predictor's own fused answers, by each body part in turn."""
    unknown = replace(tiny_studies[0], patient_id="nobody", body_part=None)
    studies = [*tiny_studies, unknown]
    folder = collect_teacher_answers(teacher, studies, tmp_path / "answers")
    images = build_cache(studies, student(), tmp_path / "cache")
    answers = read_answers(folder, images)
    assert answers.known.all() and len(answers.known) == len(images.part)
    row = 0
    for study in studies:
        message = teacher.without_refusal().predict(study)
        for image in message.images:
            own = answers.routing[row] @ answers.logit[row]
            if study.body_part is not None:  # a mean of parts has a mean of both temperatures
                assert own == pytest.approx(image.logit, abs=1e-4)
            mean = float(answers.map[row].astype(np.float64).mean()) + answers.bias[row]
            assert mean == pytest.approx(image.logit, abs=2e-3)
            single = replace(study, images=(ImageRef(Path(image.source)),))
            for p, part in enumerate(teacher.manifest.body_parts):
                other = teacher.predict(replace(single, body_part=part))
                assert answers.logit[row, p] == pytest.approx(other.images[0].logit, abs=1e-4)
            if study.body_part is not None:
                pixels, _ = prepare(
                    read_radiograph(Path(image.source)), teacher.manifest.input_spec
                )
                shares = FITTED.weights[study.body_part]
                finding = sum(shares[e.name] * e.answer(pixels)["finding"] for e in (COARSE, FINE))
                np.testing.assert_allclose(answers.finding[row], finding, atol=1e-4)
            seen = teacher.without_refusal().predict(single, body_part="recognise")
            shares = list(seen.images[0].body_part_probabilities.values())
            np.testing.assert_allclose(answers.body_part[row], shares, atol=1e-5)
            row += 1


def test_an_answer_is_computed_once(
    teacher: Predictor,
    tiny_studies: Sequence[Study],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A killed call goes on after the last part that is whole; other settings are others."""
    monkeypatch.setattr("ulna.training.teacher.collect._PER_FILE", 5)
    inner, requested = Predictor.outputs, []

    def counted(self: Predictor, study: Study, negatives: bool = False) -> object:
        requested.append(study.key)
        if len(requested) == 12:
            raise KeyboardInterrupt
        return inner(self, study, negatives)

    monkeypatch.setattr(Predictor, "outputs", counted)
    with pytest.raises(KeyboardInterrupt):
        collect_teacher_answers(teacher, tiny_studies, tmp_path)
    folder = collect_teacher_answers(teacher, tiny_studies, tmp_path)
    assert len(requested) == 12 + len(tiny_studies) - 10
    assert collect_teacher_answers(teacher, tiny_studies, tmp_path) == folder
    assert len(requested) == 12 + len(tiny_studies) - 10
    warmer = replace(FITTED, temperatures=dict.fromkeys(FITTED.temperatures, 2.0))
    assert collect_teacher_answers(teacher.with_fusion(warmer), tiny_studies, tmp_path) != folder
    assert collect_teacher_answers(teacher, tiny_studies[1:], tmp_path) != folder


def test_damaged_and_missing_answers_are_said(
    teacher: Predictor, tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    images = build_cache(tiny_studies, student(), tmp_path / "cache")
    folder = collect_teacher_answers(teacher, tiny_studies[:8], tmp_path / "answers")
    answers = read_answers(folder, images)
    few = images.of([s.key for s in tiny_studies[:8]])
    assert sorted(np.flatnonzero(answers.known)) == sorted(few)
    file = next(folder.glob("*.npz"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(TrainingError, match=f"{file.name}.*delete it"):
        read_answers(folder, images)
    with pytest.raises(TrainingError, match="no answers"):
        read_answers(tmp_path, images)
    gone = replace(tiny_studies[0], images=(ImageRef(tmp_path / "gone.png"),))
    with pytest.warns(ImageWarning, match=r"no answer of the teacher.*gone\.png"):
        folder = collect_teacher_answers(teacher, [gone], tmp_path / "gone")
    assert not read_answers(folder, images).known.any()


def test_a_teacher_without_calibration_is_said(
    tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    raw = Predictor.load(write_analytic(tmp_path / "raw").path)
    with pytest.warns(UlnaWarning, match="not calibrated"):
        collect_teacher_answers(raw, tiny_studies[:1], tmp_path)


def test_the_map_moves_as_the_image_does(
    teacher: Predictor, tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    """Mirrored: the map that the teacher has of the mirrored image. Shrunk: the logit is kept."""
    recipe = student(augmentation=replace(STILL, flip=1.0))
    images = build_cache(tiny_studies, recipe, tmp_path / "cache")
    answers = read_answers(
        collect_teacher_answers(teacher, tiny_studies, tmp_path / "answers"), images
    )
    chosen = np.arange(4)
    device = torch.device("cpu")
    batches = Batches(images, recipe, recipe.experts[0], device, SINGLE_PROCESS, answers)
    taught = batches.draw(chosen, 0, False).taught
    assert taught is not None and taught.map_B1hw.shape[-1] == 28
    for i, image in enumerate(images.paths[:4]):
        pixels = read_radiograph(image).pixels
        spec = teacher.manifest.input_spec
        shrink = area_matrix(64, spec.size)
        turned = np.ascontiguousarray(shrink @ pixels[:, ::-1] @ shrink.T)
        assert np.isfinite(normalise(turned.astype(np.float32), spec)).all()
        expected = answers.map[i][:, ::-1].astype(np.float32)
        np.testing.assert_allclose(taught.map_B1hw[i, 0], expected, atol=2e-3)
    smaller = torch.eye(2, 3).repeat(4, 1, 1) * 1.5
    moved = batches._targets(chosen, smaller)
    assert moved is not None
    kept = moved.map_B1hw.mean((1, 2, 3))
    np.testing.assert_allclose(kept, answers.map[:4].astype(np.float32).mean((1, 2)), rtol=0.03)
