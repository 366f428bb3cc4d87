"""Matching a file's tensors with an encoder: names of timm, torchvision, EfficientNet-PyTorch.

A file fits when it has every tensor of the encoder in its shape, and none of another architecture:
a ResNet34 has all names of a ResNet18.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ulna.errors import WeightsError
from ulna.no_telemetry import no_telemetry

with no_telemetry():
    from timm.models import adapt_input_conv

# Classifiers and their pooling, in the names of timm, torchvision and EfficientNet-PyTorch.
_CLASSIFIERS = (
    *("classifier", "fc", "head", "heads", "head_drop", "global_pool", "pre_logits"),
    *("_fc", "last_linear"),
)
# Number of batches that a statistic has seen. It has no effect, since momentum is fixed, and files
# from before PyTorch 0.4.1 lack it.
_COUNTER = "num_batches_tracked"
# DenseNet before torchvision 0.3: 'denselayer1.norm.1.weight' for 'denselayer1.norm1.weight'.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.")
_STEMS = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
# A block of EfficientNet-PyTorch with an expansion before the depthwise convolution, and without.
_EXPANDED = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"},
    **{"_project_conv": "conv_pwl", "_bn2": "bn3", **_SQUEEZE},
}
_PLAIN = {
    **{"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"},
    **_SQUEEZE,
}


def match_tensors(
    given: Mapping[str, Tensor], own: Mapping[str, Tensor], encoder: str, source: str
) -> dict[str, Tensor]:
    """Return the tensors of `given` under the names and in the shapes of `own`, an encoder's.

    A prefix ('module.', 'model.', 'encoder.', ...) is detected. A first convolution of three
    colours is summed to one channel (timm's `adapt_input_conv`), a classifier is left out, and
    counts of batches may be missing. own: a state dict, also on the 'meta' device. encoder, source:
    named in errors. Raises WeightsError unless exactly one network in `given` fits, with finite
    numbers only.
    """
    needed = [name for name in own if not name.endswith(_COUNTER)]
    networks = {p: _renamed(_below(given, p), own) for p in _prefixes(given, needed[0])}
    matched = {p: _in_shape(network, own) for p, network in networks.items()}
    whole = [p for p, tensors in matched.items() if all(name in tensors for name in needed)]
    if len(whole) > 1:
        raise WeightsError(
            f"{source}: holds {len(whole)} networks that fit encoder {encoder!r}, below "
            f"{', '.join(map(repr, whole))}: expected one; save only that one"
        )
    if not whole:
        best = max(matched.values(), key=lambda tensors: sum(n in tensors for n in needed))
        raise _misfit(best, needed, (encoder, source), given)
    (prefix,) = whole
    _refuse_others(networks[prefix], own, encoder, source)
    _refuse_infinite(matched[prefix], source)
    return matched[prefix]


def _prefixes(given: Mapping[str, Tensor], first: str) -> list[str]:
    """Return the possible prefixes of the encoder's names, '' first."""
    anchors = (first, "_conv_stem.weight")
    prefixes = [n.removesuffix(a) for n in given for a in anchors if n.endswith("." + a)]
    return list(dict.fromkeys(["", *prefixes]))


def _below(given: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): v for n, v in given.items() if n.startswith(prefix)}


def _renamed(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under timm's names, as far as these are known."""
    named = {_OLD_DENSENET.sub(r"\1\2.", name): tensor for name, tensor in given.items()}
    if "_conv_stem.weight" not in named:
        return named
    places = [m[0] for n in own if (m := re.match(r"blocks\.\d+\.\d+\.", n))]
    blocks = list(dict.fromkeys(places))
    return {_efficientnet_name(name, blocks, named): tensor for name, tensor in named.items()}


def _efficientnet_name(name: str, blocks: list[str], given: Mapping[str, Tensor]) -> str:
    """Return timm's name for one of EfficientNet-PyTorch, which numbers blocks consecutively."""
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if match is None:
        head, _, rest = name.partition(".")
        return f"{_STEMS[head]}.{rest}" if head in _STEMS else name
    number = int(match[1])
    parts = _EXPANDED if f"_blocks.{number}._expand_conv.weight" in given else _PLAIN
    if number >= len(blocks) or match[2] not in parts:
        return name
    return f"{blocks[number]}{parts[match[2]]}.{match[3]}"


def _in_shape(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    adapted = {n: _one_channel(given[n], target) for n, target in own.items() if n in given}
    return {n: tensor for n, tensor in adapted.items() if tensor.shape == own[n].shape}


def _one_channel(given: Tensor, target: Tensor) -> Tensor:
    """Sum a colour network's first convolution to the one channel of a radiograph."""
    if given.ndim == 4 and target.ndim == 4 and given.shape[1] == 3 and target.shape[1] == 1:
        adapted: Tensor = adapt_input_conv(1, given)
        return adapted
    return given


def _misfit(
    fits: Mapping[str, Tensor],
    needed: list[str],
    names: tuple[str, str],
    given: Mapping[str, Tensor],
) -> WeightsError:
    encoder, source = names
    missing = [n for n in needed if n not in fits]
    return WeightsError(
        f"{source}: fits {len(needed) - len(missing)} of {len(needed)} tensors of encoder "
        f"{encoder!r} (first that is missing or of another shape: {missing[0]}; the file's first: "
        f"{next(iter(given), 'none')}): expected weights of the same encoder, in the names of timm "
        "or torchvision"
    )


def _refuse_others(
    network: Mapping[str, Tensor], own: Mapping[str, Tensor], encoder: str, source: str
) -> None:
    others = [
        name
        for name in network
        if name not in own
        and not name.endswith(_COUNTER)
        and name.partition(".")[0] not in _CLASSIFIERS
    ]
    if others:
        raise WeightsError(
            f"{source}: has all of encoder {encoder!r} and {len(others)} tensors more, like "
            f"{others[0]}, which are no classifier: expected weights of the same encoder, and "
            "these are of a larger one; choose that as the encoder, or save only the right tensors"
        )


def _refuse_infinite(tensors: Mapping[str, Tensor], source: str) -> None:
    bad = [n for n, t in tensors.items() if t.is_floating_point() and not torch.isfinite(t).all()]
    if bad:
        raise WeightsError(
            f"{source}: {len(bad)} tensors, like {bad[0]}, hold numbers that are not finite: "
            "expected weights of a successful training"
        )
