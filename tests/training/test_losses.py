"""Loss terms against closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import f1_score, log_loss
from sklearn.utils.class_weight import compute_class_weight

from ulna.training.losses.attention import attention_loss
from ulna.training.losses.classification import (
    abnormal_loss,
    body_part_loss,
    class_weights,
    finding_loss,
)
from ulna.training.losses.map import MapLoss
from ulna.training.order import Shares, draw_rates

NAN = float("nan")


def test_class_weights_equal_balanced_weights_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    part = rng.integers(0, 2, 200)
    label = (rng.random(200) < 0.2).astype(np.float32)
    weights = class_weights(label, part, 3)
    for p in range(2):
        y = label[part == p]
        expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=y)
        np.testing.assert_allclose(weights[p], expected, rtol=1e-6)
    np.testing.assert_array_equal(weights[2], 1)


def test_abnormal_loss_is_the_log_loss_of_the_own_part() -> None:
    logit = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    part = torch.arange(50) % 3
    label = (torch.arange(50) % 2).float()
    own = logit.gather(1, part[:, None])[:, 0].double().sigmoid()
    expected = log_loss(label, own)
    ones = torch.ones(4, 2)
    assert abs(float(abnormal_loss(logit, label, part, ones)) - expected) < 1e-5
    label[0] = NAN
    expected = log_loss(label[1:], own[1:])
    assert abs(float(abnormal_loss(logit, label, part, ones)) - expected) < 1e-5


def test_extreme_logits_stay_finite() -> None:
    logit = torch.tensor([[200.0], [-200.0]], requires_grad=True)
    loss = abnormal_loss(logit, torch.tensor([0.0, 1.0]), torch.tensor([0, 0]), torch.ones(2, 2))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logit.grad).all()  # type: ignore[arg-type]
    assert loss > 100


def test_terms_without_labels_are_zero_with_a_gradient() -> None:
    logit = torch.randn(2, 3, requires_grad=True)
    nothing = torch.full((2,), NAN)
    unknown = torch.tensor([-1, -1])
    total = abnormal_loss(logit, nothing, unknown, torch.ones(4, 2))
    total = total + body_part_loss(logit, unknown)
    total = total + finding_loss(logit, torch.full((2, 3), NAN))
    total.backward()
    assert float(total.detach()) == 0
    assert logit.grad is not None


def test_map_loss_prefers_the_map_inside_the_mask() -> None:
    mask = torch.zeros(2, 1, 16, 16)
    mask[0, :, :8, :8] = 1
    right, wrong = torch.full((2, 1, 4, 4), -3.0), torch.full((2, 1, 4, 4), -3.0)
    right[0, :, :2, :2] = 20
    wrong[0, :, 2:, 2:] = 20
    known, part = torch.tensor([True, True]), torch.tensor([0, 0])
    loss = MapLoss()
    assert loss(right, mask, known, part) < 0.3 * loss(wrong, mask, known, part)
    unknown = torch.tensor([False, False])
    assert float(loss(right, mask, unknown, part).detach()) == 0


def test_attention_loss_is_weighted_log_loss_plus_one_minus_dice() -> None:
    score = torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(4, 1, 16, 16)
    mask[0, :, :8, :4] = 1
    mask[2, :, 9, 9] = 1  # one cell
    mask[3] = 1  # not known to be right: must not count
    known = torch.tensor([True, True, True, False])
    cells = np.zeros((3, 4, 4), bool)
    cells[0, :2, 0], cells[2, 2, 2] = True, True
    p = score[:3, 0].double().sigmoid().numpy()
    weight = np.where(cells, cells.mean() ** -0.5, 1)
    expected = log_loss(cells.ravel(), p.ravel(), sample_weight=weight.ravel())
    dice = [(2 * (p[i] * cells[i]).sum() + 1) / (p[i].sum() + cells[i].sum() + 1) for i in (0, 2)]
    loss = float(attention_loss(score, mask, known))
    assert abs(loss - expected - (1 - np.mean(dice))) < 1e-4
    assert float(attention_loss(score, mask, ~known & False)) == 0


def test_dice_of_a_certain_score_is_scikit_learns_f1() -> None:
    rng = np.random.default_rng(1)
    cells, result = rng.random((1, 400)) < 0.3, rng.random((1, 400)) < 0.3
    score = torch.from_numpy(np.where(result, 60.0, -60.0)).reshape(1, 1, 20, 20)
    mask = torch.from_numpy(cells.astype(np.float64)).reshape(1, 1, 20, 20)
    wrong = float(attention_loss(score, mask, torch.tensor([True])))
    share = cells.mean() ** -0.5
    weight = np.where(cells, share, 1.0)
    entropy = 60 * weight[cells != result].sum() / weight.sum()
    f1 = f1_score(cells[0], result[0])
    assert abs(wrong - entropy - (1 - f1)) < 0.01


def test_other_parts_share_of_the_loss_teaches_every_head() -> None:
    logit = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    label = torch.tensor([0.0, 1, 0, 1, 0, 1])
    part = torch.tensor([0, 1, 2, 0, 1, 2])
    ones = torch.ones(4, 2)
    own = abnormal_loss(logit, label, part, ones)
    everyone = abnormal_loss(logit, label, part, ones, other_parts=1.0)
    expected = log_loss(label.repeat(3), logit.T.reshape(-1).double().sigmoid())
    assert abs(float(everyone) - expected) < 1e-5
    half = abnormal_loss(logit, label, part, ones, other_parts=0.5)
    assert abs(float(half) - float(own + everyone) / 2) < 1e-5


def test_an_image_of_unknown_part_teaches_all_heads_with_its_own_weight() -> None:
    logit = torch.tensor([[1.0, -2.0]], requires_grad=True)
    weight = torch.tensor([[5.0, 5.0], [5.0, 5.0], [1.0, 2.0]])
    loss = abnormal_loss(logit, torch.tensor([1.0]), torch.tensor([-1]), weight)
    p = logit.detach().double().sigmoid()[0]
    assert abs(float(loss.detach()) - 2 * float(-p.log().mean())) < 1e-5
    loss.backward()
    assert (logit.grad != 0).all()  # type: ignore[union-attr]


def test_class_weights_follow_what_is_drawn() -> None:
    label = np.array([0] * 90 + [1] * 10, np.float32)
    part = np.array([0] * 95 + [-1] * 5)
    weights = class_weights(label, part, 1, draw_rates(label == 1, Shares(0.5)))
    # five of ten abnormal images are of part 0: half of the abnormal draws, all normal ones
    np.testing.assert_allclose(weights[0], [0.75 / 2 / 0.5, 0.75 / 2 / 0.25], rtol=1e-5)
    np.testing.assert_array_equal(weights[1], 1)  # unknown part: one class only
