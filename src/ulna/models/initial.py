"""Initial weights: random, ImageNet, shipped, a local file or a run, without any fallback."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from ulna.config.recipe import ExpertConfig, InitialWeights, Recipe
from ulna.errors import ConfigError, WeightsError
from ulna.models.encoder import Encoder
from ulna.models.expert import Expert, build_expert
from ulna.models.imagenet import grey_normalisation, packaged_file
from ulna.models.normalisation import adapt_first_convolution
from ulna.models.weights_file import read_weights
from ulna.models.weights_names import match_tensors

# The encoder whose weights are part of the package.
SHIPPED = "cnn"


def load_initial_weights(config: ExpertConfig, recipe: Recipe) -> Expert:
    """Return the expert of `config` with its initial weights.

    ImageNet weights come from an installed package of the extra `imagenet` if it has the encoder,
    else from timm, and are adapted to the grey levels of the recipe's input. Raises WeightsError
    when the weights are missing or do not fit the encoder completely; nothing else is tried then.
    """
    state = _initial_state(config)
    expert = build_expert(
        config,
        recipe.body_parts,
        recipe.categories,
        recipe.input_spec,
        pretrained=config.initial.kind == "imagenet" and state is None,
    )
    if state is not None:
        body = expert.encoder.body
        own = body.state_dict()
        body.load_state_dict({**own, **match_tensors(state[0], own, config.encoder, state[1])})
    learned = grey_normalisation(config.encoder) if config.initial.kind == "imagenet" else None
    if learned is not None:
        adapt_first_convolution(expert.encoder.body, learned, recipe.input_spec)
    return expert


def check_initial_weights(config: ExpertConfig, encoder: Encoder) -> bool:
    """Return whether the initial weights of `config` are on this machine; ImageNet's may not be.

    encoder: the config's, also on the 'meta' device. Raises WeightsError for weights that cannot be
    read or do not fit it.
    """
    state = _initial_state(config)
    if state is None:
        return config.initial.kind != "imagenet"
    match_tensors(state[0], encoder.body.state_dict(), config.encoder, state[1])
    return True


def _initial_state(config: ExpertConfig) -> tuple[dict[str, Tensor], str] | None:
    """Return the initial state dict and its name for errors, or None if none is here."""
    initial, whose = config.initial, f"expert {config.name!r}"
    if initial.kind == "shipped":
        return _read_shipped(config.encoder), f"shipped weights of {SHIPPED!r}"
    if initial.kind in ("file", "run"):
        return _read(initial, config.name), f"{whose}: {initial.path}"
    packaged = packaged_file(config.encoder) if initial.kind == "imagenet" else None
    return (read_weights(packaged, whose), str(packaged)) if packaged else None


def write_shipped(run: Path, name: str = SHIPPED) -> Path:
    """Write the encoder of a finished run's expert `name` as the shipped weights; return the path.

    Half precision is enough for initial weights and keeps the file below 2 MB.
    """
    tensors = _read(InitialWeights("run", str(run)), name)
    prefix = "encoder.body."
    half = {
        k.removeprefix(prefix): v.half() if v.is_floating_point() else v
        for k, v in tensors.items()
        if k.startswith(prefix)
    }
    path = Path(__file__).with_name(f"{SHIPPED}.safetensors")
    save_file(half, path)
    return path


def _read_shipped(encoder: str) -> dict[str, Tensor]:
    if encoder != SHIPPED:
        raise WeightsError(
            f"no weights of {encoder!r} are shipped: expected encoder {SHIPPED!r}; use initial "
            "weights 'imagenet', 'file', 'run' or 'random'"
        )
    path = Path(__file__).with_name(f"{SHIPPED}.safetensors")
    if not path.is_file():
        raise WeightsError(f"{path}: the shipped weights are missing: install the package again")
    return {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}


def _read(initial: InitialWeights, name: str) -> dict[str, Tensor]:
    path = Path(initial.path)
    if initial.kind == "run":
        path = _of_run(path, initial.expert or name)
    return read_weights(path, f"expert {name!r}")


def _of_run(run: Path, name: str) -> Path:
    """Return the weights of the run's expert `name`, or of its only expert.

    For a cross-validation those of fold 0.
    """
    if (run / "crossval.json").is_file():
        run = run / "fold0"
    own = run / "experts" / name / "weights.safetensors"
    others = list((run / "experts").glob("*/weights.safetensors"))
    return others[0] if not own.is_file() and len(others) == 1 else own


def check_initial(initial: InitialWeights) -> None:
    """Raise ConfigError when a file or run of initial weights is missing, before data are read."""
    if initial.path and not Path(initial.path).exists():
        raise ConfigError(f"initial weights {initial.path}: no such file or run")
