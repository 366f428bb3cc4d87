"""What of a recipe only the networks themselves can tell, asked before any of them trains."""

from __future__ import annotations

from collections.abc import Collection

import torch

from ulna.config.recipe import ExpertConfig, Recipe
from ulna.errors import ConfigError, WeightsError
from ulna.models.encoder import Encoder, build_encoder
from ulna.models.imagenet import imagenet_unavailable
from ulna.models.initial import SHIPPED, check_initial, check_initial_weights
from ulna.models.scale import scaled_side


def check_experts(recipe: Recipe, begun: Collection[str] = ()) -> None:
    """Raise for a recipe with an expert that could not be built when its turn comes.

    Every encoder is built without memory for its weights (on torch's 'meta' device) and run on
    images of all sides that it will see: whole, as crops, at the scales of the exported graph.
    Initial weights are read and held against it; those that are not here are fetched last.
    begun: names of experts that have weights of their own by now, whose start is not asked for.
    Raises ConfigError for an unknown encoder, for one without a feature grid or for images of a
    size it does not take, and for initial weights in a file or run that is not there;
    WeightsError for initial weights that cannot be read or had, or that the encoder cannot have.
    """
    fetched = []
    for expert in recipe.experts:
        new = expert.name not in begun
        if new:
            check_initial(expert.initial)
            _check_kind(expert)
        encoder = _tried_encoder(expert, recipe.input_spec.size)
        if new and not check_initial_weights(expert, encoder):
            fetched.append(expert.encoder)
    _fetch(fetched, recipe.input_spec.size)


def _fetch(encoders: list[str], size: int) -> None:
    """Have the weights that are not on this machine, so that they are when their turn comes."""
    for i, encoder in enumerate(encoders):
        try:
            build_encoder(encoder, size, pretrained=True)
        except WeightsError as error:
            # A connection that fails is tried for a minute: once is enough.
            raise imagenet_unavailable(encoder, encoders[i + 1 :]) from error.__cause__


def _tried_encoder(expert: ExpertConfig, size: int) -> Encoder:
    try:
        return _try_encoder(expert, size, "meta")
    except ConfigError:
        # Some read numbers from a tensor while they are built (timm 1.0.9 does for
        # stochastic depth), and 'meta' holds none: what they say in memory counts.
        return _try_encoder(expert, size, "cpu")


def _try_encoder(expert: ExpertConfig, size: int, device: str) -> Encoder:
    with torch.device(device), torch.no_grad():
        encoder = build_encoder(expert.encoder, size).eval()
        for side in _sides(expert, size):
            _try_side(expert, encoder, side)
    return encoder


def _sides(expert: ExpertConfig, size: int) -> list[int]:
    """Sides in px of all images that the encoder sees in training and after export."""
    wholes = [scaled_side(size, s) for s in expert.test_scales]
    shown = [size, *wholes, *([expert.crop_size] if expert.crop_size else [])]
    scale = expert.input_scale
    return sorted({s if scale == 1 else scaled_side(s, scale) for s in shown})


def _try_side(expert: ExpertConfig, encoder: Encoder, side: int) -> None:
    try:
        encoder(torch.zeros(1, 1, side, side))
    except (AssertionError, RuntimeError) as error:
        raise ConfigError(
            f"expert {expert.name}: encoder {expert.encoder!r} does not take images of {side} px, "
            f"which input_scale, test_scales or crop_size ask for: {error}"
        ) from error


def _check_kind(expert: ExpertConfig) -> None:
    kind, own = expert.initial.kind, expert.encoder == SHIPPED
    if kind == "imagenet" and own:
        raise WeightsError(
            f"expert {expert.name}: {SHIPPED!r} has no ImageNet weights: expected initial weights "
            "'shipped', 'random', 'file' or 'run'"
        )
    if kind == "shipped" and not own:
        raise WeightsError(
            f"expert {expert.name}: no weights of {expert.encoder!r} are shipped: expected encoder "
            f"{SHIPPED!r}, or initial weights 'imagenet', 'file', 'run' or 'random'"
        )
