"""A run without labels: images, cache, encoder; a repeated call resumes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ulna.config.recipe import ExpertConfig, InitialWeights, Recipe
from ulna.config.selfsupervision import SelfSupervision
from ulna.errors import ConfigError, DatasetError
from ulna.models.check import check_experts
from ulna.models.encoder import Encoder
from ulna.models.initial import load_initial_weights
from ulna.training.arithmetic import start_fabric
from ulna.training.cache import build_cache
from ulna.training.cache_folder import Progress
from ulna.training.fingerprint import fingerprint_studies
from ulna.training.folder import CHECKPOINT, SELF_SUPERVISION, begin, expert_folder
from ulna.training.precision import with_precision
from ulna.training.ranks.launch import under_torchrun
from ulna.training.selfsupervised.fit import SUMMARY, SelfSupervisedFit
from ulna.types import BodyPart, ImageRef, Study

_HELD_OUT = ("valid", "test")


def self_supervised_run(
    settings: SelfSupervision,
    studies: Sequence[Study],
    out: Path,
    kind: str,
    name: str = "",
    progress: Progress | None = None,
) -> Path:
    """Train the encoder of `settings` on every radiograph of `studies`; weights go to `out`.

    Labels, findings and masks are removed before anything is read, so they cannot have an effect.
    kind, name: of the data, for the record. An unfinished run in `out` is resumed when settings and
    data are the same. Returns `out`. Raises ConfigError for a folder of another run, DatasetError
    without a radiograph, TrainingError, WeightsError.
    """
    if under_torchrun():
        raise ConfigError("learning without labels runs in one process: start it without torchrun")
    settings = with_precision(settings, out / SELF_SUPERVISION)
    recipe = _recipe(settings)
    folder = expert_folder(out, settings.name)
    begun = any((folder / made).is_file() for made in (CHECKPOINT, SUMMARY))
    check_experts(recipe, [settings.name] if begun else [])
    if begun:  # a checkpoint replaces the initial weights, which may have been deleted since
        recipe = _recipe(replace(settings, initial=InitialWeights()))
    images = without_labels(studies)
    begin(settings, fingerprint_studies(images, kind, name), out)
    if (folder / SUMMARY).is_file():
        return out
    folder.mkdir(parents=True, exist_ok=True)
    fabric = start_fabric(settings.precision)
    decoded = build_cache(images, recipe, out / "cache", progress)
    fit = SelfSupervisedFit(fabric, settings, _encoder(recipe), decoded.images, folder)
    fit.fit(progress)
    return out


def leave_held_out(studies: Sequence[Study]) -> list[Study]:
    """Return `studies` without those whose split is 'valid' or 'test', and without their images.

    An image that one table holds out and another does not is held out.
    """
    held = {r.path.resolve() for s in studies if s.split in _HELD_OUT for r in s.images}
    free = [s for s in studies if s.split not in _HELD_OUT]
    return [s for s in free if not any(r.path.resolve() in held for r in s.images)]


def without_labels(studies: Sequence[Study]) -> list[Study]:
    """Return `studies` with images only, each file once, sorted by patient and study.

    Raises DatasetError when there are none.
    """
    seen: set[Path] = set()
    bare = []
    for study in sorted(studies, key=_place):
        images = {ref.path.resolve(): ImageRef(ref.path) for ref in study.images}
        new = tuple(ref for path, ref in images.items() if path not in seen)
        seen.update(images)
        if new:
            bare.append(Study(study.patient_id, study.study_id, None, new))
    if not bare:
        raise DatasetError(
            "no radiographs to learn from: expected studies outside 'valid' and 'test'; "
            "use other data, or every split"
        )
    return bare


def _place(study: Study) -> tuple[str, str, list[str]]:
    return study.patient_id, study.study_id, [str(ref.path) for ref in study.images]


def _encoder(recipe: Recipe) -> Encoder:
    torch.manual_seed(recipe.seed)
    return load_initial_weights(recipe.experts[0], recipe).encoder


def _recipe(settings: SelfSupervision) -> Recipe:
    """Return the settings as a recipe, for cache and initial weights."""
    expert = ExpertConfig(settings.name, settings.encoder, initial=settings.initial)
    return Recipe(
        name="selfsupervision",
        experts=(expert,),
        body_parts=tuple(BodyPart),
        input_spec=settings.input_spec,
        seed=settings.seed,
    )
