"""The distillation loss is 0 for a student that agrees with its teacher, and training lowers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.runtime.analytic_bundle import FITTED, write_analytic
from tests.training.taught_tiny import TAUGHT, distilled, student
from tests.training.tiny import make_recipe

from ulna.config.augmentation import Augmentation
from ulna.config.distillation import Distillation
from ulna.errors import ConfigError
from ulna.imaging.geometry import area_matrix
from ulna.models.expert import ExpertOutput
from ulna.models.trained import load_expert
from ulna.preprocess import normalise
from ulna.runtime import Predictor
from ulna.training import DataSource, train_run
from ulna.training.cache import build_cache
from ulna.training.loop import ExpertFit
from ulna.training.losses.distillation import DistillationLoss, TeacherTargets, binary_divergence
from ulna.training.source import TeacherData
from ulna.training.teacher.answers import read_answers
from ulna.types import ImageRef, Study


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def teacher(tmp_path: Path) -> Predictor:
    return Predictor.load(write_analytic(tmp_path / "teacher", fusion=FITTED).path)


# -- the loss ---------------------------------------------------------------------------------


def _divergence(own: float, wanted: float, t: float) -> float:
    p, q = (1 / (1 + np.exp(-z / t)) for z in (wanted, own))
    return float(t**2 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))))


@pytest.mark.parametrize("t", [0.5, 1.0, 4.0])
def test_divergence_of_logits_is_the_textbook_s(t: float) -> None:
    own, wanted = torch.tensor([0.3, -2.0, 5.0]), torch.tensor([0.3, 1.0, -4.0])
    result = binary_divergence(own, wanted, t)
    expected = [_divergence(float(a), float(b), t) for a, b in zip(own, wanted, strict=True)]
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)
    assert result[0] == pytest.approx(0, abs=1e-6) and (result[1:] > 0).all()


def test_a_large_temperature_compares_the_logits_themselves() -> None:
    own, wanted = torch.tensor([1.0, -2.0], dtype=torch.double), torch.tensor([0.0, 2.0]).double()
    result = binary_divergence(own, wanted, 100.0)
    np.testing.assert_allclose(result, (own - wanted) ** 2 / 8, rtol=1e-3)


def _taught(
    n: int, side: int = 8, seed: int = 0
) -> tuple[TeacherTargets, ExpertOutput, torch.Tensor]:
    """A teacher's answers on n images, and a student that gives the same on a finer grid."""
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
    taught = TeacherTargets(
        torch.ones(n, dtype=torch.bool), logit_BP, part_BP.softmax(1), finding_BF, routing_BP,
        torch.nn.functional.avg_pool2d(whole, 2), routing_BP @ bias_P,
    )  # fmt: skip
    none = torch.zeros(n, 0)
    return taught, ExpertOutput(logit_BP, part_BP, finding_BF, cam_BPhw, none, none, none), bias_P


def test_nothing_is_lost_where_student_and_teacher_agree() -> None:
    taught, same, bias_P = _taught(6)
    loss = DistillationLoss(TAUGHT, 1.0)
    assert float(loss(same, bias_P, taught)) == pytest.approx(0, abs=1e-5)
    for name, other in same._asdict().items():
        if other.numel():
            worse = same._replace(**{name: other + torch.linspace(0, 1, other.shape[1]).view(
                1, -1, *[1] * (other.ndim - 2))})  # fmt: skip
            assert float(loss(worse, bias_P, taught)) > 1e-3, name
    # What map and bias share out otherwise says the same.
    moved = same._replace(cam_BPhw=same.cam_BPhw + 0.5)
    assert float(loss(moved, bias_P - 0.5, taught)) == pytest.approx(0, abs=1e-5)


def test_images_without_an_answer_do_not_count_and_processes_share_the_sum() -> None:
    taught, same, bias_P = _taught(7)
    out = same._replace(abnormal_BP=same.abnormal_BP + 1, cam_BPhw=same.cam_BPhw * 0.3)
    taught = taught._replace(known=torch.tensor([1, 1, 0, 1, 0, 1, 1], dtype=torch.bool))
    whole = float(DistillationLoss(TAUGHT, 1.0)(out, bias_P, taught))
    strange = taught._replace(logit_BP=taught.logit_BP.masked_fill(~taught.known[:, None], 99.0))
    assert float(DistillationLoss(TAUGHT, 1.0)(out, bias_P, strange)) == pytest.approx(whole)
    shared = 0.0
    for rows in (torch.tensor([0, 2, 4, 6]), torch.tensor([1, 3, 5])):
        own = TeacherTargets(*(t[rows] for t in taught))
        part = ExpertOutput(*(t[rows] for t in out))
        loss = DistillationLoss(TAUGHT, 1.0, lambda x: taught.known.sum().to(x.dtype))
        shared += float(loss(part, bias_P, own))
    assert shared == pytest.approx(whole, rel=1e-5)
    nobody = taught._replace(known=torch.zeros(7, dtype=torch.bool))
    assert float(DistillationLoss(TAUGHT, 1.0)(out, bias_P, nobody)) == 0


# -- training ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_labels_the_student_agrees_with_its_teacher(
    teacher: Predictor, tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    """hard_labels=0: logits and maps of images it learned from come near, the map's
    loss falls; so on images without labels, beside."""
    bare = tuple(
        Study(f"b{i}", "s", None, (ImageRef(s.images[0].path),))
        for i, s in enumerate(tiny_studies[16:])
    )
    recipe = student(epochs=30)
    run = distilled(teacher, tiny_studies[:16], recipe, tmp_path / "run", bare)
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
    distillation = replace(TAUGHT, hard_labels=0.5)
    recipe = student(1, augmentation=Augmentation(), distillation=distillation)
    whole = distilled(teacher, tiny_studies, recipe, tmp_path / "whole")
    inner = ExpertFit._train_step

    def killed(fit: ExpertFit, chosen: np.ndarray, first_free: int) -> None:
        if fit.state.step == 2:
            raise _Killed
        inner(fit, chosen, first_free)

    with monkeypatch.context() as patched:
        patched.setattr(ExpertFit, "_train_step", killed)
        with pytest.raises(_Killed):
            distilled(teacher, tiny_studies, recipe, tmp_path / "cut")
    cut = distilled(teacher, tiny_studies, recipe, tmp_path / "cut")
    one, other = _weights(whole), _weights(cut)
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_a_student_s_recipe_needs_a_teacher_and_no_other_has_one(
    tiny_studies: Sequence[Study], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="has no teacher"):
        train_run(student(), tiny_studies, tmp_path / "a", DataSource("table"))
    taught = DataSource("table", teaching=TeacherData(tmp_path))
    with pytest.raises(ConfigError, match="has a teacher"):
        train_run(make_recipe(), tiny_studies, tmp_path / "b", taught)


def test_every_weight_but_the_labels_asks_for_a_teacher() -> None:
    assert not Distillation().requested
    for field in fields(Distillation):
        requested = replace(Distillation(), **{field.name: 0.9}).requested
        assert requested == (field.name not in ("other_parts", "temperature", "hard_labels")), (
            field.name
        )
