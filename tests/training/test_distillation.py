"""A student's training: what its teacher said, moved as the film is, and that it is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.runtime.analytic_bundle import FITTED, write_analytic
from tests.training.tiny import make_recipe

from ulna.config.distillation import Distillation
from ulna.config.recipe import Augmentation, ExpertConfig, LossWeights, Recipe
from ulna.errors import ConfigError, ImageWarning, TrainingError, UlnaWarning
from ulna.imaging import read_radiograph
from ulna.imaging.geometry import area_matrix
from ulna.models.expert import ExpertOutput
from ulna.models.trained import load_expert
from ulna.preprocess import normalise
from ulna.runtime import Predictor
from ulna.training import DataSource, train_run
from ulna.training.batches import Batches
from ulna.training.cache import build_cache
from ulna.training.loop import ExpertFit
from ulna.training.losses.distillation import DistillationLoss, Taught, binary_divergence
from ulna.training.ranks.group import ALONE
from ulna.training.run import begin_run
from ulna.training.source import Teaching
from ulna.training.teacher.answers import read_answers
from ulna.training.teacher.ask import ask_teacher
from ulna.types import FindingCategory, ImageRef, Study

TAUGHT = Distillation(logits=1, body_part=0.5, finding=0.5, map=1, hard=0)
STILL = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def teacher(tmp_path: Path) -> Predictor:
    return Predictor.load(write_analytic(tmp_path / "teacher", fusion=FITTED).path)


def student(epochs: int = 2, **changes: object) -> Recipe:
    expert = ExpertConfig(
        name="student", encoder="cnn", epochs=epochs, batch_size=12, learning_rate=3e-3
    )
    values: dict[str, object] = {
        "experts": (expert,),
        "categories": (FindingCategory.FRACTURE, FindingCategory.HARDWARE),
        "augmentation": STILL,
        "distillation": TAUGHT,
        "loss": LossWeights(),
        "patience": 0,
        "precision": "32-true",
        "fractions": {"train": 1.0, "tune": 0.0, "calibration": 0.0},
        "checkpoint_every": 1,
    }
    return make_recipe(**{**values, **changes})


# -- the loss ---------------------------------------------------------------------------------


def _divergence(own: float, wanted: float, t: float) -> float:
    p, q = (1 / (1 + np.exp(-z / t)) for z in (wanted, own))
    return float(t**2 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))))


@pytest.mark.parametrize("t", [0.5, 1.0, 4.0])
def test_divergence_of_logits_is_the_textbook_s(t: float) -> None:
    own, wanted = torch.tensor([0.3, -2.0, 5.0]), torch.tensor([0.3, 1.0, -4.0])
    found = binary_divergence(own, wanted, t)
    expected = [_divergence(float(a), float(b), t) for a, b in zip(own, wanted, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert found[0] == pytest.approx(0, abs=1e-6) and (found[1:] > 0).all()


def test_a_large_temperature_compares_the_logits_themselves() -> None:
    own, wanted = torch.tensor([1.0, -2.0], dtype=torch.double), torch.tensor([0.0, 2.0]).double()
    found = binary_divergence(own, wanted, 100.0)
    np.testing.assert_allclose(found, (own - wanted) ** 2 / 8, rtol=1e-3)


def _taught(n: int, side: int = 8, seed: int = 0) -> tuple[Taught, ExpertOutput, torch.Tensor]:
    """A teacher's answers on n films, and a student that gives the same on a finer grid."""
    rng = torch.Generator().manual_seed(seed)
    cam_BPhw = torch.randn(n, 2, side, side, generator=rng)
    cam_BPhw = cam_BPhw.repeat_interleave(2, 2).repeat_interleave(2, 3)
    bias_P = torch.tensor([0.2, -0.7])
    routing_BP = torch.eye(2)[torch.arange(n) % 2]
    routing_BP[0] = torch.tensor([0.3, 0.7])  # not known, as recognised
    finding_BF = torch.randn(n, 3, generator=rng)
    part_BP = torch.randn(n, 2, generator=rng)
    logit_BP = cam_BPhw.mean((2, 3)) + bias_P
    whole = torch.einsum("bp,bphw->bhw", routing_BP, cam_BPhw)[:, None]
    taught = Taught(
        torch.ones(n, dtype=torch.bool), logit_BP, part_BP.softmax(1), finding_BF, routing_BP,
        torch.nn.functional.avg_pool2d(whole, 2), routing_BP @ bias_P,
    )  # fmt: skip
    none = torch.zeros(n, 0)
    return taught, ExpertOutput(logit_BP, part_BP, finding_BF, cam_BPhw, none, none), bias_P


def test_nothing_is_lost_where_student_and_teacher_agree() -> None:
    taught, same, bias_P = _taught(6)
    loss = DistillationLoss(TAUGHT, 1.0)
    assert float(loss(same, bias_P, taught)) == pytest.approx(0, abs=1e-5)
    for name, other in same._asdict().items():
        if other.numel() and name not in ("attention_BAhw", "features_BC"):
            worse = same._replace(**{name: other + torch.linspace(0, 1, other.shape[1]).view(
                1, -1, *[1] * (other.ndim - 2))})  # fmt: skip
            assert float(loss(worse, bias_P, taught)) > 1e-3, name
    # What map and bias share out otherwise says the same.
    moved = same._replace(cam_BPhw=same.cam_BPhw + 0.5)
    assert float(loss(moved, bias_P - 0.5, taught)) == pytest.approx(0, abs=1e-5)


def test_films_without_an_answer_do_not_count_and_processes_share_the_sum() -> None:
    taught, same, bias_P = _taught(7)
    out = same._replace(abnormal_BP=same.abnormal_BP + 1, cam_BPhw=same.cam_BPhw * 0.3)
    taught = taught._replace(known=torch.tensor([1, 1, 0, 1, 0, 1, 1], dtype=torch.bool))
    whole = float(DistillationLoss(TAUGHT, 1.0)(out, bias_P, taught))
    strange = taught._replace(logit_BP=taught.logit_BP.masked_fill(~taught.known[:, None], 99.0))
    assert float(DistillationLoss(TAUGHT, 1.0)(out, bias_P, strange)) == pytest.approx(whole)
    shared = 0.0
    for rows in (torch.tensor([0, 2, 4, 6]), torch.tensor([1, 3, 5])):
        own = Taught(*(t[rows] for t in taught))
        part = ExpertOutput(*(t[rows] for t in out))
        loss = DistillationLoss(TAUGHT, 1.0, lambda x: taught.known.sum().to(x.dtype))
        shared += float(loss(part, bias_P, own))
    assert shared == pytest.approx(whole, rel=1e-5)
    nobody = taught._replace(known=torch.zeros(7, dtype=torch.bool))
    assert float(DistillationLoss(TAUGHT, 1.0)(out, bias_P, nobody)) == 0


# -- what the teacher said --------------------------------------------------------------------


def test_answers_are_those_of_the_bundle(
    teacher: Predictor, tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    """Reference: the predictor's own fused answers, by each body part in turn."""
    unknown = replace(tiny_studies[0], patient_id="nobody", body_part=None)
    studies = [*tiny_studies, unknown]
    folder = ask_teacher(teacher, studies, tmp_path / "answers")
    images = build_cache(studies, student(), tmp_path / "cache")
    answers = read_answers(folder, images)
    assert answers.known.all() and len(answers.known) == len(images.part)
    row = 0
    for study in studies:
        said = teacher.without_refusal().predict(study)
        for image in said.images:
            own = answers.routing[row] @ answers.logit[row]
            if study.body_part is not None:  # a mean of parts has a mean of both temperatures
                assert own == pytest.approx(image.logit, abs=1e-4)
            mean = float(answers.map[row].astype(np.float64).mean()) + answers.bias[row]
            assert mean == pytest.approx(image.logit, abs=2e-3)
            single = replace(study, images=(ImageRef(Path(image.source)),))
            for p, part in enumerate(teacher.manifest.body_parts):
                other = teacher.predict(replace(single, body_part=part))
                assert answers.logit[row, p] == pytest.approx(other.images[0].logit, abs=1e-4)
            found = 1 / (1 + np.exp(-answers.finding[row]))
            np.testing.assert_allclose(found, list(image.finding_probabilities.values()), atol=1e-5)
            seen = teacher.without_refusal().predict(single, body_part="recognise")
            shares = list(seen.images[0].body_part_probabilities.values())
            np.testing.assert_allclose(answers.body_part[row], shares, atol=1e-5)
            row += 1


def test_a_film_is_asked_about_once(
    teacher: Predictor,
    tiny_studies: Sequence[Study],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A killed call goes on after the last part that is whole; other settings are others."""
    monkeypatch.setattr("ulna.training.teacher.ask._TOGETHER", 5)
    inner, asked = Predictor.outputs, []

    def counted(self: Predictor, study: Study, negatives: bool = False) -> object:
        asked.append(study.key)
        if len(asked) == 12:
            raise KeyboardInterrupt
        return inner(self, study, negatives)

    monkeypatch.setattr(Predictor, "outputs", counted)
    with pytest.raises(KeyboardInterrupt):
        ask_teacher(teacher, tiny_studies, tmp_path)
    folder = ask_teacher(teacher, tiny_studies, tmp_path)
    assert len(asked) == 12 + len(tiny_studies) - 10
    assert ask_teacher(teacher, tiny_studies, tmp_path) == folder
    assert len(asked) == 12 + len(tiny_studies) - 10
    warmer = replace(FITTED, temperatures=dict.fromkeys(FITTED.temperatures, 2.0))
    assert ask_teacher(teacher.with_fusion(warmer), tiny_studies, tmp_path) != folder
    assert ask_teacher(teacher, tiny_studies[1:], tmp_path) != folder


def test_damaged_and_missing_answers_are_said(
    teacher: Predictor, tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    images = build_cache(tiny_studies, student(), tmp_path / "cache")
    folder = ask_teacher(teacher, tiny_studies[:8], tmp_path / "answers")
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
    with pytest.warns(ImageWarning, match=r"not asked about.*gone\.png"):
        folder = ask_teacher(teacher, [gone], tmp_path / "gone")
    assert not read_answers(folder, images).known.any()


def test_a_teacher_without_calibration_is_said(
    tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    raw = Predictor.load(write_analytic(tmp_path / "raw").path)
    with pytest.warns(UlnaWarning, match="not calibrated"):
        ask_teacher(raw, tiny_studies[:1], tmp_path)


def test_the_map_moves_as_the_film_does(
    teacher: Predictor, tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    """Mirrored: the map that the teacher has of the mirrored film. Shrunk: the logit is kept."""
    recipe = student(augmentation=replace(STILL, flip=1.0))
    images = build_cache(tiny_studies, recipe, tmp_path / "cache")
    answers = read_answers(ask_teacher(teacher, tiny_studies, tmp_path / "answers"), images)
    chosen = np.arange(4)
    device = torch.device("cpu")
    batches = Batches(images, recipe, recipe.experts[0], device, ALONE, answers)
    taught = batches.draw(chosen, 0, False).taught
    assert taught is not None and taught.map_B1hw.shape[-1] == 28
    for i, film in enumerate(images.films[:4]):
        pixels = read_radiograph(film).pixels
        spec = teacher.manifest.input_spec
        shrink = area_matrix(64, spec.size)
        turned = np.ascontiguousarray(shrink @ pixels[:, ::-1] @ shrink.T)
        assert np.isfinite(normalise(turned.astype(np.float32), spec)).all()
        expected = answers.map[i][:, ::-1].astype(np.float32)
        np.testing.assert_allclose(taught.map_B1hw[i, 0], expected, atol=2e-3)
    smaller = torch.eye(2, 3).repeat(4, 1, 1) * 1.5
    moved = batches._taught(chosen, smaller)
    assert moved is not None
    kept = moved.map_B1hw.mean((1, 2, 3))
    np.testing.assert_allclose(kept, answers.map[:4].astype(np.float32).mean((1, 2)), rtol=0.03)


# -- training ---------------------------------------------------------------------------------


def _distilled(
    teacher: Predictor,
    studies: Sequence[Study],
    recipe: Recipe,
    out: Path,
    beside: tuple[Study, ...] = (),
) -> Path:
    recipe, parts = begin_run(recipe, studies, out, DataSource("table"))
    answers = ask_teacher(teacher, [*parts["train"], *beside], out / "teacher")
    source = DataSource("table", teaching=Teaching(answers, beside))
    return train_run(recipe, studies, out, source)


@pytest.mark.slow
def test_without_labels_the_student_says_what_its_teacher_says(
    teacher: Predictor, tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    """hard=0: logits and maps of films it learned from come near, the map's loss falls; so on films
    without labels, beside."""
    bare = tuple(
        Study(f"b{i}", "s", None, (ImageRef(s.images[0].path),))
        for i, s in enumerate(tiny_studies[16:])
    )
    recipe = student(epochs=30)
    run = _distilled(teacher, tiny_studies[:16], recipe, tmp_path / "run", bare)
    images = build_cache([*tiny_studies[:16], *bare], recipe, tmp_path / "cache")
    (folder,) = (run / "teacher").iterdir()
    answers = read_answers(folder, images)
    pixels = torch.from_numpy(normalise(images.images[:], recipe.input_spec))[:, None]
    with torch.inference_mode():
        out = load_expert(run, recipe, recipe.experts[0])(pixels)
    for rows in (images.part >= 0, images.part < 0):
        for p in range(2):
            own, wanted = out.abnormal_BP[rows, p].numpy(), answers.logit[rows, p]
            assert np.corrcoef(own, wanted)[0, 1] > 0.9
        own_map = torch.einsum("np,nphw->nhw", torch.from_numpy(answers.routing), out.cam_BPhw)
        shrink = area_matrix(28, 8)
        for i in np.flatnonzero(rows):
            wanted = shrink @ answers.map[i].astype(np.float64) @ shrink.T
            assert np.corrcoef(own_map[i].numpy().ravel(), wanted.ravel())[0, 1] > 0.7


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "experts/student/weights.safetensors")


class _Killed(Exception):
    """Stands for a kill -9."""


def test_kill_and_resume_give_the_same_student(
    teacher: Predictor,
    tiny_studies: Sequence[Study],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distillation = replace(TAUGHT, hard=0.5)
    recipe = student(1, augmentation=Augmentation(), distillation=distillation)
    whole = _distilled(teacher, tiny_studies, recipe, tmp_path / "whole")
    inner = ExpertFit._train_step

    def killed(fit: ExpertFit, chosen: np.ndarray, first_free: int) -> None:
        if fit.state.step == 2:
            raise _Killed
        inner(fit, chosen, first_free)

    with monkeypatch.context() as patched:
        patched.setattr(ExpertFit, "_train_step", killed)
        with pytest.raises(_Killed):
            _distilled(teacher, tiny_studies, recipe, tmp_path / "cut")
    cut = _distilled(teacher, tiny_studies, recipe, tmp_path / "cut")
    one, other = _weights(whole), _weights(cut)
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_a_student_s_recipe_needs_a_teacher_and_no_other_has_one(
    tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="has no teacher"):
        train_run(student(), tiny_studies, tmp_path / "a", DataSource("table"))
    taught = DataSource("table", teaching=Teaching(tmp_path))
    with pytest.raises(ConfigError, match="has a teacher"):
        train_run(make_recipe(), tiny_studies, tmp_path / "b", taught)


def test_every_weight_but_the_labels_asks_for_a_teacher() -> None:
    assert not Distillation().asked
    for field in fields(Distillation):
        asked = replace(Distillation(), **{field.name: 0.9}).asked
        assert asked == (field.name not in ("other_parts", "temperature", "hard")), field.name
