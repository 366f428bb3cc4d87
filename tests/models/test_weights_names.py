"""Weights files: every documented format is read, and no other."""

from __future__ import annotations

import argparse
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from tests.models.networks import draw
from torch import Tensor

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, InitialWeights, Recipe
from ulna.errors import WeightsError
from ulna.models.encoder import Encoder
from ulna.models.initial import load_initial_weights
from ulna.models.weights_file import read_weights
from ulna.models.weights_names import match_tensors
from ulna.types import BodyPart

QUICK = [("torchvision", "vgg19"), ("torchvision", "densenet121"), ("timm", "resnet50")]
FORMATS = [
    pytest.param(source, encoder, marks=[] if (source, encoder) in QUICK else pytest.mark.slow)
    for source in ("timm", "torchvision")
    for encoder in ("vgg19", "vgg19_bn", "densenet121", "resnet50", "resnet18", "resnet34")
]
State = dict[str, Tensor]


def _start(path: Path, encoder: str) -> Encoder:
    config = ExpertConfig("e", encoder, initial=InitialWeights("file", str(path)))
    recipe = Recipe("t", (config,), (BodyPart.WRIST,), input_spec=InputSpec(size=64))
    return load_initial_weights(config, recipe).encoder.double().eval()


def _same_features(encoder: Encoder, features: Callable[[Tensor], Tensor]) -> None:
    grey = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        result = encoder(grey)
    wanted = features(grey.expand(-1, 3, -1, -1))
    assert wanted.std() > 1e-3
    # The sum over colours is in single precision, so what counts is the features' own scale.
    torch.testing.assert_close(result / wanted.std(), wanted / wanted.std(), atol=1e-5, rtol=1e-5)


def _fit(path: Path, encoder: str) -> State:
    """What of a file goes into the encoder, without building it."""
    return match_tensors(read_weights(path, "expert 'e'"), _own(encoder), encoder, str(path))


def _own(encoder: str) -> State:
    """An encoder's state dict without memory."""
    with torch.device("meta"):
        own = timm.create_model(encoder, in_chans=1, num_classes=0).state_dict()
    return {n: v for n, v in own.items() if not n.startswith("pre_logits.")}


def _blank(encoder: str) -> State:
    """Names and shapes of timm's network, one number in memory for each tensor."""
    with torch.device("meta"):
        named = timm.create_model(encoder).state_dict()
    return {n: torch.ones(()).expand(v.shape) for n, v in named.items()}


@pytest.mark.parametrize(("source", "encoder"), FORMATS)
def test_a_file_of_timm_or_torchvision_gives_its_networks_features(
    source: str, encoder: str, tmp_path: Path
) -> None:
    network = draw(source, encoder)
    torch.save(network.state, tmp_path / "w.pth")
    _same_features(_start(tmp_path / "w.pth", encoder), network.features)


@pytest.mark.parametrize("encoder", ["tf_efficientnet_lite0", "tf_efficientnet_lite2"])
def test_a_file_of_an_efficientnet_lite_gives_its_networks_features(
    encoder: str, tmp_path: Path
) -> None:
    network = draw("timm", encoder)
    save_file(network.state, tmp_path / "model.safetensors")
    _same_features(_start(tmp_path / "model.safetensors", encoder), network.features)


def test_densenets_old_names_are_read(tmp_path: Path) -> None:
    """The files that torchvision offers have 'norm.1' where its networks have 'norm1'."""
    network = draw("torchvision", "densenet121")
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", n): v
        for n, v in network.state.items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")
    _same_features(_start(tmp_path / "old.pth", "densenet121"), network.features)


def _below(prefix: str) -> Callable[[State], State]:
    return lambda state: {prefix + n: v for n, v in state.items()}


def _in_training(state: State) -> dict[str, Any]:
    beside = {"optimizer": {"state": {0: {"step": torch.tensor(3.0)}}}, "best": torch.tensor(0.7)}
    return {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1),
        "model": _below("module.")(state),
        **beside,
    }


FORMS: dict[str, Callable[[State], Any]] = {
    "as it is": lambda state: OrderedDict(state),
    "state_dict": lambda state: {"state_dict": state, "arch": "resnet18"},
    "model": lambda state: {"model": state},
    "model_state_dict": lambda state: {"model_state_dict": state},
    "model_ema alone": lambda state: {"model_ema": {"module": 1, **state}, "epoch": 1},
    "model before its mean": lambda s: {"model_ema": _below("x")(s), "model": s},
    "two deep": lambda state: {"model": {"state_dict": state}},
    "module.": _below("module."),
    "model.": _below("model."),
    "encoder.": _below("encoder."),
    "module.model.": _below("module.model."),
    "others beside the encoder": lambda s: {
        **_below("encoder.")(s),
        "decoder.weight": s["bn1.bias"],
    },
    "a whole training": _in_training,
    "before counts of batches": lambda s: {n: v for n, v in s.items() if "num_batches" not in n},
    "half precision": lambda s: {n: v.half().float().half() for n, v in s.items()},
    "no classifier": lambda s: {n: v for n, v in s.items() if not n.startswith("fc.")},
    "classifiers of other names": lambda s: {**s, "head.fc.weight": s["bn1.bias"]},
}


@pytest.mark.parametrize("form", FORMS)
def test_what_training_scripts_put_around_a_state_dict_is_taken_off(
    form: str, tmp_path: Path
) -> None:
    """A file without counts of batches was refused: 'fits 245 of 294'."""
    network = draw("torchvision", "resnet18")
    torch.save(FORMS[form](network.state), tmp_path / "w.pt")
    result = _fit(tmp_path / "w.pt", "resnet18")
    for name, tensor in result.items():
        given = network.state[name]
        wanted = given.sum(1, keepdim=True) if name == "conv1.weight" else given
        off = 2e-3 if form == "half precision" else 1e-6
        torch.testing.assert_close(tensor.to(wanted.dtype), wanted, atol=off, rtol=off, msg=name)
    needed = {n for n in network.state if not n.startswith("fc.") and "num_batches" not in n}
    assert needed <= set(result)


@pytest.mark.parametrize("name", ["w.safetensors", "w.bin"])
def test_safetensors_is_told_by_its_bytes(name: str, tmp_path: Path) -> None:
    network = draw("timm", "resnet18")
    save_file(network.state, tmp_path / name)
    _same_features(_start(tmp_path / name, "resnet18"), network.features)


def test_a_file_of_before_pytorch_1_6_is_read(tmp_path: Path) -> None:
    network = draw("torchvision", "resnet18")
    torch.save(network.state, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    _same_features(_start(tmp_path / "w.pth", "resnet18"), network.features)


def test_a_grey_network_keeps_its_first_convolution(tmp_path: Path) -> None:
    state = draw("timm", "resnet18").state
    grey = state["conv1.weight"][:, :1].clone()
    torch.save({**state, "conv1.weight": grey}, tmp_path / "w.pth")
    assert torch.equal(_fit(tmp_path / "w.pth", "resnet18")["conv1.weight"], grey)


@pytest.mark.parametrize(
    ("given", "encoder", "words"),
    [
        ("resnet34", "resnet18", "tensors more, like layer1.2.conv1.weight"),
        ("resnet18", "resnet34", "fits 100 of 180 tensors"),
        ("resnet50", "resnet18", "fits "),
        ("vgg19", "vgg16", "fits "),
        ("vgg19_bn", "vgg19", "fits "),
        ("vgg16", "vgg19", "fits "),
        ("densenet169", "densenet121", "fits "),
        ("tf_efficientnet_lite1", "tf_efficientnet_lite0", "tensors more, like blocks."),
        ("tf_efficientnet_lite2", "tf_efficientnet_lite1", "fits "),
    ],
)
def test_the_weights_of_another_network_are_refused(
    given: str, encoder: str, words: str, tmp_path: Path
) -> None:
    """All names and shapes of a ResNet18 are in a ResNet34, which was loaded without a word."""
    with pytest.raises(WeightsError) as caught:
        match_tensors(_blank(given), _own(encoder), encoder, "w.pth")
    assert words in str(caught.value) and "same encoder" in str(caught.value)
    assert encoder in str(caught.value) and "w.pth" in str(caught.value)


def test_of_two_networks_in_a_file_none_is_guessed(tmp_path: Path) -> None:
    state = draw("timm", "resnet18").state
    torch.save({**_below("student.")(state), **_below("teacher.")(state)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"2 networks .*'student\.', 'teacher\.'.*expected one"):
        _fit(tmp_path / "w.pth", "resnet18")


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = draw("timm", "resnet18").state
    bad = state["layer1.0.bn1.bias"].clone()
    bad[3] = torch.nan
    torch.save({**state, "layer1.0.bn1.bias": bad}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"layer1\.0\.bn1\.bias.*not finite"):
        _fit(tmp_path / "w.pth", "resnet18")


class Own:
    """Stands for what a pickle would have to be executed for."""


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda p: torch.save({"state_dict": {"a": Own()}}, p), "Python objects"),
        (lambda p: torch.save([1, 2], p), "holds a list: expected a state dict"),
        (lambda p: torch.save({"epoch": 3, "state_dict": {}}, p), "expected a state dict"),
        (lambda p: torch.save({}, p), "holds nothing: expected a state dict"),
        (lambda p: p.write_text("<!DOCTYPE html>"), "begins with '<!DOCTYPE html>'"),
        (lambda p: p.write_bytes(b""), "not readable as weights"),
        (lambda p: p.write_bytes(b"\x20" + bytes(7) + b'{"a": 1'), "not readable as weights"),
        (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90)), "HDF"),
    ],
)
def test_a_file_without_a_state_dict_is_an_error(
    write: Callable[[Path], Any], words: str, tmp_path: Path
) -> None:
    """Neither a Python class nor an address is in the text, and nothing is executed."""
    write(tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        _fit(tmp_path / "w.pth", "resnet18")
    message = str(caught.value)
    assert words in message and "w.pth" in message and "expected" in message
    assert not re.search(r"Error|0x[0-9a-f]{6}|Unpickl", message)


def test_memory_that_is_short_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    (tmp_path / "w.pth").write_bytes(b"anything")
    monkeypatch.setattr(torch, "load", short)
    with pytest.raises(RuntimeError, match="allocate memory"):
        _fit(tmp_path / "w.pth", "resnet18")
