"""Heads fitted to convergence: scikit-learn's logistic regression on the same features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from tests.training.tiny import PARTS, make_recipe, make_studies

from ulna.config.recipe import ExpertConfig, LossWeights, Recipe
from ulna.models.expert import Expert, build_expert
from ulna.training.cache import TrainingImages, build_cache
from ulna.training.heads import fit_heads, head_rates


@pytest.fixture
def recipe() -> Recipe:
    # one head for all parts: what one regression of scikit-learn is
    return make_recipe(loss=LossWeights(other_parts=1.0))


@pytest.fixture
def images(tmp_path: Path, recipe: Recipe) -> TrainingImages:
    return build_cache(make_studies(tmp_path / "images"), recipe, tmp_path / "cache")


def _expert(recipe: Recipe, evidence: bool = False) -> Expert:
    torch.manual_seed(0)
    config = ExpertConfig("cnn", "cnn", neck="attention", fit_heads=evidence)
    expert = build_expert(config, PARTS, recipe.categories, recipe.input_spec)
    # an attention that has learned something: at first it is the same everywhere
    torch.nn.init.normal_(expert.neck.score.weight, std=30.0)
    return expert


def _pixels(images: TrainingImages, recipe: Recipe) -> torch.Tensor:
    spec = recipe.input_spec
    pixels = torch.from_numpy(np.array(images.images)).float()[:, None] / 255
    return (pixels - spec.mean) / spec.std


def _features(
    expert: Expert, images: TrainingImages, recipe: Recipe
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with torch.inference_mode():
        pooled = expert.eval().pool(_pixels(images, recipe))
    everywhere, attended, evidence = (f.double().numpy() for f in pooled)
    return everywhere, attended, evidence


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / np.maximum(x.std(0), 1e-6)


def _reference(x: np.ndarray, images: TrainingImages) -> np.ndarray:
    """(N,) logits of scikit-learn's regression, classes weighing alike within a body part."""
    y, part = images.abnormal, images.part
    weight = np.empty(len(y))
    for p in range(len(PARTS)):
        for label in (0, 1):
            chosen = (part == p) & (y == label)
            weight[chosen] = (part == p).sum() / (2 * chosen.sum())
    # each of P heads has a P-th of the loss and the whole ridge
    solver = "newton-cholesky"
    reference = LogisticRegression(C=0.05 / len(PARTS), tol=1e-9, max_iter=500, solver=solver)
    return reference.fit(x, y, sample_weight=weight).decision_function(x)


def test_heads_are_those_of_scikit_learn(images: TrainingImages, recipe: Recipe) -> None:
    expert = _expert(recipe)
    everywhere, attended, _ = _features(expert, images, recipe)
    fit_heads(expert, images, np.arange(len(images.part)), recipe)
    wanted = _reference(_standard(attended), images)
    part = images.part
    result = attended @ expert.abnormal.weight.detach().double().numpy().T
    result = result + expert.abnormal.bias.detach().double().numpy()
    for p in range(len(PARTS)):
        np.testing.assert_allclose(result[:, p], wanted, atol=2e-3)
    x = _standard(everywhere)
    # two classes: scikit-learn has one weight vector, of which ours are the two halves
    many = LogisticRegression(C=10.0, tol=1e-9, max_iter=5000).fit(x, part)
    logits = everywhere @ expert.body_part.weight.detach().double().numpy().T
    logits = logits + expert.body_part.bias.detach().double().numpy()
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], many.decision_function(x), atol=2e-3)


def test_evidence_is_one_more_feature_without_penalty(
    images: TrainingImages, recipe: Recipe
) -> None:
    expert = _expert(recipe, evidence=True)
    _, attended, evidence = _features(expert, images, recipe)
    fit_heads(expert, images, np.arange(len(images.part)), recipe)
    # in so large a unit that its weight is next to nothing, and with it the penalty on it
    free = 10000 * _standard(evidence[:, None])
    wanted = _reference(np.concatenate([_standard(attended), free], 1), images)
    with torch.inference_mode():
        out = expert(_pixels(images, recipe))
    for p in range(len(PARTS)):
        np.testing.assert_allclose(out.abnormal_BP[:, p], wanted, atol=5e-3)
    assert (expert.evidence_P != 0).all()


def test_evidence_of_an_attention_that_has_learned_nothing_is_not_magnified(
    images: TrainingImages, recipe: Recipe
) -> None:
    expert = _expert(recipe, evidence=True)
    torch.nn.init.normal_(expert.neck.score.weight, std=1e-4)
    _, attended, evidence = _features(expert, images, recipe)
    assert 0 < evidence.std() < 0.05
    fit_heads(expert, images, np.arange(len(images.part)), recipe)
    with torch.inference_mode():
        out = expert(_pixels(images, recipe))
    assert (expert.evidence_P == 0).all()
    wanted = _reference(_standard(attended), images)
    for p in range(len(PARTS)):
        np.testing.assert_allclose(out.abnormal_BP[:, p], wanted, atol=5e-3)
    total = out.cam_BPhw.mean((2, 3)).numpy()
    np.testing.assert_allclose(total[images.abnormal == 0].mean(0), 0, atol=1e-3)


def test_the_map_is_what_lifts_an_image_above_the_mean_normal_one(
    images: TrainingImages, recipe: Recipe
) -> None:
    expert = _expert(recipe, evidence=True)
    fit_heads(expert, images, np.arange(len(images.part)), recipe)
    with torch.inference_mode():
        out = expert(_pixels(images, recipe))
    total = out.cam_BPhw.mean((2, 3)).numpy()
    np.testing.assert_allclose(
        total + expert.bias_P.detach().numpy(), out.abnormal_BP.numpy(), atol=1e-4
    )
    np.testing.assert_allclose(total[images.abnormal == 0].mean(0), 0, atol=1e-3)


def test_encoder_stays_and_the_answer_is_the_same_again(
    images: TrainingImages, recipe: Recipe
) -> None:
    expert = _expert(recipe, evidence=True)
    before = {k: v.clone() for k, v in expert.state_dict().items()}
    train = np.arange(len(images.part))
    fit_heads(expert, images, train, recipe)
    first = {k: v.clone() for k, v in expert.state_dict().items()}
    fit_heads(expert, images, train, recipe)
    heads = ("abnormal", "body_part", "finding", "evidence", "origin")
    for key, value in expert.state_dict().items():
        assert torch.equal(value, first[key])
        assert torch.equal(value, before[key]) != key.startswith(heads), key


def test_only_the_images_given_count(images: TrainingImages, recipe: Recipe) -> None:
    expert = _expert(recipe)
    some = np.arange(0, len(images.part), 2)
    fit_heads(expert, images, some, recipe)
    fitted = expert.abnormal.weight.clone()
    turned = images.abnormal.copy()
    turned[1::2] = 1 - turned[1::2]
    fit_heads(expert, replace(images, abnormal=turned), some, recipe)
    assert torch.equal(expert.abnormal.weight, fitted)


def _of_two_sources(images: TrainingImages) -> TrainingImages:
    """The first quarter of the studies are a source of their own, with the weight 1.5."""
    own = images.study < len(images.keys) // 4
    source = np.where(own, 0, 1).astype(np.int64)
    return replace(images, source=source, weight=np.where(own, 1.5, 1.0))


@pytest.mark.parametrize("balance", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("abnormal_share", [0.0, 0.5])
def test_a_source_counts_for_the_heads_as_it_is_drawn(
    images: TrainingImages, balance: float, abnormal_share: float
) -> None:
    """Of issue 16: heads fitted in the end did not know of source_balance."""
    images = _of_two_sources(images)
    config = ExpertConfig("cnn", "cnn", source_balance=balance, abnormal_share=abnormal_share)
    rates = head_rates(images, np.arange(len(images.part)), config)
    assert rates is not None
    n = np.bincount(images.source)
    wanted = n ** (1 - balance) * [1.5, 1.0]
    result = np.bincount(images.source, rates)
    np.testing.assert_allclose(result / result.sum(), wanted / wanted.sum())
    for source in (0, 1):
        own = images.source == source
        share = rates[own & (images.abnormal == 1)].sum() / rates[own].sum()
        plain = images.abnormal[own].mean()
        np.testing.assert_allclose(share, abnormal_share or plain)


def test_sources_without_balance_do_not_change_the_heads(
    images: TrainingImages, recipe: Recipe
) -> None:
    config = ExpertConfig("cnn", "cnn", abnormal_share=0.5)
    train = np.arange(len(images.part))
    both = replace(_of_two_sources(images), weight=np.ones(len(train)))
    assert head_rates(both, train, config) is None
    assert head_rates(images, train, replace(config, source_balance=1.0)) is None
    result = []
    for given, requested in ((images, None), (both, config)):
        expert = _expert(recipe)
        fit_heads(expert, given, train, recipe, requested)
        result.append(expert.state_dict())
    assert all(torch.equal(result[0][k], result[1][k]) for k in result[0])


def test_heads_of_two_sources_are_those_of_scikit_learn_with_their_weights(
    images: TrainingImages, recipe: Recipe
) -> None:
    images, expert = _of_two_sources(images), _expert(recipe)
    config = ExpertConfig("cnn", "cnn", source_balance=1.0)
    everywhere, attended, _ = _features(expert, images, recipe)
    train = np.arange(len(images.part))
    fit_heads(expert, images, train, recipe, config)
    n = np.bincount(images.source)
    rate = (np.array([1.5, 1.0]) / n)[images.source]
    rate /= rate.mean()
    y, part = images.abnormal, images.part
    weight = np.empty(len(y))
    for p in range(len(PARTS)):
        for label in (0, 1):
            own = part == p
            chosen = own & (y == label)
            weight[chosen] = rate[chosen] * rate[own].sum() / (2 * rate[chosen].sum())
    x = _standard(attended)
    many = LogisticRegression(C=0.05 / len(PARTS), tol=1e-9, max_iter=500, solver="newton-cholesky")
    wanted = many.fit(x, y, sample_weight=weight).decision_function(x)
    result = attended @ expert.abnormal.weight.detach().double().numpy().T
    result = result + expert.abnormal.bias.detach().double().numpy()
    for p in range(len(PARTS)):
        np.testing.assert_allclose(result[:, p], wanted, atol=2e-3)
    x = _standard(everywhere)
    body = LogisticRegression(C=10.0, tol=1e-9, max_iter=5000).fit(x, part, sample_weight=rate)
    logits = everywhere @ expert.body_part.weight.detach().double().numpy().T
    logits = logits + expert.body_part.bias.detach().double().numpy()
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], body.decision_function(x), atol=2e-3)
