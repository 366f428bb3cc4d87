"""Initial weights: random, ImageNet, shipped, a local file or a run; explicit, no fallback."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ulna.config.recipe import ExpertConfig, InitialWeights, Recipe
from ulna.errors import ConfigError, WeightsError
from ulna.models.expert import Expert, build_expert
from ulna.unreported import unreported

with unreported():
    from timm.models import adapt_input_conv

# The one encoder whose weights come with the package.
SHIPPED = "cnn"
# The share of an encoder's tensors that a weights file must fill to be called a start.
_LEAST_SHARE = 0.9


def load_initial_weights(config: ExpertConfig, recipe: Recipe) -> Expert:
    """The expert of `config`, starting where `config.initial` says.

    Raises WeightsError when the weights are not there or fit less than 90 % of the
    encoder's tensors; nothing else is tried then.
    """
    initial = config.initial
    expert = build_expert(
        config,
        recipe.body_parts,
        recipe.categories,
        recipe.input_spec,
        pretrained=initial.kind == "imagenet",
    )
    if initial.kind == "shipped":
        _fill_encoder(expert, _read_shipped(config.encoder), f"shipped weights of {SHIPPED!r}")
    elif initial.kind in ("file", "run"):
        _fill_encoder(expert, _read(initial, config.name), initial.path)
    return expert


def write_shipped(run: Path, name: str = SHIPPED) -> Path:
    """Put the encoder of the expert `name` of a finished run where 'shipped' finds it.

    Half precision: a start needs no more, and the file stays below 2 MB. Returns its path.
    """
    state = _read(InitialWeights("run", str(run)), name)
    prefix = "encoder.body."
    half = {
        k.removeprefix(prefix): v.half() if v.is_floating_point() else v
        for k, v in state.items()
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
        path = _of_run(path, name)
    if not path.is_file():
        raise WeightsError(
            f"{path}: no such file: expected weights of expert {name!r} "
            "(.safetensors, or .pth with a state dict)"
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(f"{path}: not readable as weights: {error}") from None
    except Exception as error:  # pickle's own errors have no common base but Exception
        raise WeightsError(f"{path}: not a plain state dict: {error}") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path}: expected a state dict (names to tensors)")
    return state


def _of_run(run: Path, name: str) -> Path:
    """The weights of the run's expert `name`, or of its only expert whatever its name."""
    own = run / "experts" / name / "weights.safetensors"
    others = list((run / "experts").glob("*/weights.safetensors"))
    return others[0] if not own.is_file() and len(others) == 1 else own


def _fill_encoder(expert: Expert, state: dict[str, Tensor], path: str) -> None:
    prefix = "encoder.body."
    if any(k.startswith(prefix) for k in state):
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    own = expert.encoder.body.state_dict()
    fitting = {}
    for key, tensor in own.items():
        if key in state:
            given = _one_channel(state[key], tensor)
            if given.shape == tensor.shape:
                fitting[key] = given
    if len(fitting) < _LEAST_SHARE * len(own):
        missing = sorted(set(own) - set(fitting))
        raise WeightsError(
            f"{path}: fits {len(fitting)} of {len(own)} tensors of encoder "
            f"{expert.encoder.name!r} (first that does not: {missing[0]}): "
            "expected weights of the same encoder"
        )
    expert.encoder.body.load_state_dict({**own, **fitting})


def _one_channel(given: Tensor, wanted: Tensor) -> Tensor:
    """A colour network's first convolution summed to the one channel of a radiograph."""
    if given.ndim == 4 and wanted.ndim == 4 and given.shape[1] == 3 and wanted.shape[1] == 1:
        adapted: Tensor = adapt_input_conv(1, given)
        return adapted
    return given


def check_initial(initial: InitialWeights) -> None:
    """Raises early (ConfigError) when a named file or run is not there, before data is read."""
    if initial.path and not Path(initial.path).exists():
        raise ConfigError(f"initial weights {initial.path}: no such file or run")
