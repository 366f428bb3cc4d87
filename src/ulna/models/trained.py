"""The experts of a finished run, as torch modules: for export and for explanations."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from ulna.config.recipe import ExpertConfig, Recipe
from ulna.errors import WeightsError
from ulna.models.expert import Expert, build_expert


def load_expert(run: Path, recipe: Recipe, config: ExpertConfig) -> Expert:
    """Return the trained expert of a run, in evaluation mode on the CPU.

    Raises WeightsError unless every weight is there and fits.
    """
    path = run / "experts" / config.name / "weights.safetensors"
    if not path.is_file():
        raise WeightsError(
            f"{path}: no such file: expected the weights of expert {config.name!r}; "
            "finish the run (the same `ulna train` resumes it)"
        )
    expert = build_expert(config, recipe.body_parts, recipe.categories, recipe.input_spec)
    try:
        expert.load_state_dict(load_file(path), strict=True)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: damaged or no safetensors file: {error}") from None
    except RuntimeError as error:
        raise WeightsError(
            f"{path}: does not fit expert {config.name!r} of {run / 'recipe.json'}: {error}"
        ) from None
    return expert.eval()
