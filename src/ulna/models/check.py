"""Checks of a recipe that need the networks themselves, made before any of them trains."""

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
    """Raise for a recipe with an expert that could not be built when it is to train.

    Every encoder is built without memory for its weights (on torch's 'meta' device) and run on
    images of all sides that it will see: whole images, crops, the scales of the exported graph.
    Initial weights are read and compared with it; those that are not on this machine are fetched
    last. begun: names of experts that have weights already, whose initial weights are not needed.
    Raises ConfigError for an unknown encoder, one without a feature grid or images of a size that
    it does not take, and for a missing file or run of initial weights; WeightsError for initial
    weights that cannot be read or fetched, or that do not fit the encoder.
    """
    fetched = []
    for expert in recipe.experts:
        new = expert.name not in begun
        if new:
            check_initial(expert.initial)
            _check_kind(expert)
        encoder = _checked_encoder(expert, recipe.input_spec.size)
        if new and not check_initial_weights(expert, encoder):
            fetched.append(expert.encoder)
    _fetch(fetched, recipe.input_spec.size)


def _fetch(encoders: list[str], size: int) -> None:
    """Fetch the weights that are not on this machine yet."""
    for i, encoder in enumerate(encoders):
        try:
            build_encoder(encoder, size, pretrained=True)
        except WeightsError as error:
            # A failing connection is tried for a minute, so only once for all encoders.
            raise imagenet_unavailable(encoder, encoders[i + 1 :]) from error.__cause__


def _checked_encoder(expert: ExpertConfig, size: int) -> Encoder:
    try:
        return _try_encoder(expert, size, "meta")
    except ConfigError:
        # Some models read values of a tensor while they are built (in timm 1.0.9 for
        # stochastic depth), which 'meta' does not have: the check on the CPU decides.
        return _try_encoder(expert, size, "cpu")


def _try_encoder(expert: ExpertConfig, size: int, device: str) -> Encoder:
    with torch.device(device), torch.no_grad():
        encoder = build_encoder(expert.encoder, size).eval()
        for side in _sides(expert, size):
            _try_side(expert, encoder, side)
    return encoder


def _sides(expert: ExpertConfig, size: int) -> list[int]:
    """Return the sides in px of all images that the encoder sees in training and after export."""
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
            f"which input_scale, test_scales or crop_size require: {error}"
        ) from error


def _check_kind(expert: ExpertConfig) -> None:
    kind, shipped = expert.initial.kind, expert.encoder == SHIPPED
    if kind == "imagenet" and shipped:
        raise WeightsError(
            f"expert {expert.name}: {SHIPPED!r} has no ImageNet weights: expected initial weights "
            "'shipped', 'random', 'file' or 'run'"
        )
    if kind == "shipped" and not shipped:
        raise WeightsError(
            f"expert {expert.name}: no weights of {expert.encoder!r} are shipped: expected encoder "
            f"{SHIPPED!r}, or initial weights 'imagenet', 'file', 'run' or 'random'"
        )
