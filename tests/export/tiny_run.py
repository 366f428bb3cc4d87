"""A run folder as training leaves it, with random weights: made in seconds, no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from ulna.bundle import DataFingerprint
from ulna.config.codec import write_json
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.models import Expert, build_expert
from ulna.types import BodyPart, FindingCategory

PARTS = (BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST)
CATEGORIES = (FindingCategory.FRACTURE, FindingCategory.HARDWARE)


def tiny_recipe(experts: Sequence[ExpertConfig], size: int = 64, categories: int = 2) -> Recipe:
    return Recipe(
        name="tiny",
        experts=tuple(experts),
        body_parts=PARTS,
        categories=CATEGORIES[:categories],
        input_spec=InputSpec(size=size),
    )


def lively_expert(config: ExpertConfig, recipe: Recipe, seed: int = 0) -> Expert:
    """An expert whose outputs are of order 1, as if trained: those of a new one are near 0."""
    torch.manual_seed(seed)
    expert = build_expert(config, recipe.body_parts, recipe.categories, recipe.input_spec)
    with torch.no_grad():
        for name, tensor in expert.neck.named_parameters():
            tensor.normal_(0, 0.5 if name.startswith("score") else 0.1)
        expert.train()  # one pass gives the batch norms statistics of their own
        expert(torch.randn(8, 1, recipe.input_spec.size, recipe.input_spec.size))
        expert.eval()
        pooled = expert.neck(expert.encoder(torch.randn(2, 1, *(recipe.input_spec.size,) * 2)))
        scale = 1 / pooled.mean(dim=(2, 3)).norm(dim=1).mean().clamp_min(1e-12)
        heads = [expert.abnormal, expert.body_part, expert.finding]
        for head in (h for h in heads if isinstance(h, nn.Linear)):
            head.weight.normal_(0, 1).mul_(scale)
            head.bias.normal_(0, 1)
        if expert.reads_evidence:
            expert.evidence_P.normal_(0, 1)
            expert.origin_P.normal_(0, 1)
    return expert


def write_tiny_run(run: Path, recipe: Recipe) -> dict[str, Expert]:
    """Write RUN as `train_run` would; returns its experts."""
    torch.set_num_threads(1)
    run.mkdir(parents=True)
    write_json(recipe, run / "recipe.json")
    write_json({"train": ["a", "b"], "tune": ["c"], "calibration": ["d"]}, run / "split.json")
    write_json(DataFingerprint("phantom", "tiny", 4, 5, "0" * 64), run / "data.json")
    experts = {}
    for seed, config in enumerate(recipe.experts):
        folder = run / "experts" / config.name
        folder.mkdir(parents=True)
        expert = lively_expert(config, recipe, seed)
        save_file(expert.state_dict(), folder / "weights.safetensors")
        state = {"done": True, "kept_epoch": 0, "history": [{"epoch": 0, "tune_auroc": 0.75}]}
        write_json(state, folder / "state.json")
        experts[config.name] = expert
    return experts
