"""Merge bundles: those of all folds, or those of one fold in several cross-validations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from ulna.bundle.io import ModelBundle, write_bundle
from ulna.bundle.manifest import DataFingerprint, uncalibrated_fusion
from ulna.config.recipe import InitialWeights, Recipe
from ulna.errors import BundleError, ConfigError

# Fields of a recipe that only affect training, or that name it.
_MAY_DIFFER = (
    "experts",
    "seed",
    "name",
    "description",
    "augmentation",
    "minutes",
    "patience",
    "checkpoint_every",
    "fusion",
    "weights",
)


def join_bundles(
    bundles: Sequence[ModelBundle], out: Path, name: str, data: DataFingerprint
) -> ModelBundle:
    """Write an uncalibrated bundle of all experts of the folds' `bundles`, named 'expert-k'.

    data: the union of their training data. Raises BundleError unless all have the same recipe,
    except for the seed and the initial weights (those of each fold come from the same fold of
    another cross-validation). The first recipe is recorded, and each expert's own initial weights.
    """
    first = bundles[0].manifest
    for bundle in bundles[1:]:
        if _of_any_fold(bundle.manifest.recipe) != _of_any_fold(first.recipe):
            raise BundleError(f"{bundle.path}: another recipe than {bundles[0].path}: not joined")
    experts, graphs = [], {}
    for k, bundle in enumerate(bundles):
        for expert in bundle.manifest.experts:
            own = replace(expert, name=f"{expert.name}-{k}", graph=f"{expert.name}-{k}.onnx")
            experts.append(own)
            graphs[own.name] = bundle.graph_path(expert)
    manifest = replace(
        first,
        name=name,
        experts=tuple(experts),
        fusion=uncalibrated_fusion(
            [e.name for e in experts], first.body_parts, first.operating_point
        ),
        data=data,
        split={"train": data.n_studies, "tune": 0, "calibration": 0},
        metrics=_worst(bundles),
        distilled=None,  # each had its own teacher
    )
    return write_bundle(manifest, graphs, out)


def _of_any_fold(recipe: Recipe) -> Recipe:
    """`recipe` without the settings that differ between folds."""
    experts = [replace(e, initial=InitialWeights()) for e in recipe.experts]
    return replace(recipe, seed=0, experts=tuple(experts))


def unite_recipes(recipes: Sequence[Recipe]) -> Recipe:
    """Return one recipe with all experts of `recipes`, which may differ only in training settings.

    Name, description, seed, fusion and training settings are those of the first recipe; where the
    augmentation differs, every expert is given its own. An expert whose name is taken is called
    'expert_2', 'expert_3', ... With several recipes the calibration becomes 'fitted', since the
    mean of their logits is not that of a student. Raises ConfigError for recipes that differ
    otherwise, and for one with a layout, which refers to experts by name.
    """
    if len({r.augmentation for r in recipes}) > 1:
        recipes = [_each_its_own(r) for r in recipes]
    first = recipes[0]
    experts, taken = list(first.experts), {e.name for e in first.experts}
    for other in recipes:
        if other.fusion.layout:
            raise ConfigError(
                f"recipe {other.name}: its layout assigns experts to body parts: "
                "expected fusion 'fitted' or 'mean'"
            )
        own = {k: getattr(other, k) for k in _MAY_DIFFER}
        differ = [k for k, v in vars(replace(first, **own)).items() if v != getattr(other, k)]
        if differ:
            raise ConfigError(
                f"recipes {first.name} and {other.name} differ in {', '.join(differ)}: expected "
                f"the same but for {', '.join(_MAY_DIFFER)}"
            )
    for other in recipes[1:]:
        for expert in other.experts:
            names = chain([expert.name], (f"{expert.name}_{i}" for i in count(2)))
            name = next(n for n in names if n not in taken)
            taken.add(name)
            experts.append(replace(expert, name=name))
    if len(recipes) > 1:
        first = replace(first, fusion=replace(first.fusion, calibration="fitted"))
    return replace(first, experts=tuple(experts))


def _each_its_own(recipe: Recipe) -> Recipe:
    """The same recipe, with its augmentation recorded for every expert."""
    experts = [
        replace(e, augmentation=e.augmentation or recipe.augmentation) for e in recipe.experts
    ]
    return replace(recipe, experts=tuple(experts))


def unite_bundles(bundles: Sequence[ModelBundle], recipe: Recipe, out: Path) -> ModelBundle:
    """Write an uncalibrated bundle of all experts of `bundles`, named as in `recipe`.

    recipe: from `unite_recipes`, with the seed to record. Raises BundleError unless all were
    trained on the same studies, and if two experts are identical.
    """
    first = bundles[0].manifest
    for bundle in bundles[1:]:
        # Counts of findings were not always recorded; the hash identifies the studies.
        own = replace(bundle.manifest.data, findings=first.data.findings)
        if own != first.data or bundle.manifest.split != first.split:
            raise BundleError(f"{bundle.path}: of other studies than {bundles[0].path}: not united")
    entries = [(b, e) for b in bundles for e in b.manifest.experts]
    known: dict[str, Path] = {}
    for bundle, entry in entries:
        if entry.sha256 in known:
            raise BundleError(
                f"{bundle.path}: its expert {entry.name!r} is one of {known[entry.sha256]} too: "
                "expected experts of their own (another seed, start or recipe)"
            )
        known[entry.sha256] = bundle.path
    names = [e.name for e in recipe.experts]
    named = [
        replace(entry, name=name, graph=f"{name}.onnx")
        for name, (_, entry) in zip(names, entries, strict=True)
    ]
    graphs = {n: b.graph_path(e) for n, (b, e) in zip(names, entries, strict=True)}
    fusion = uncalibrated_fusion(names, first.body_parts, first.operating_point)
    manifest = replace(
        first,
        recipe=recipe,
        experts=tuple(named),
        fusion=fusion,
        metrics=_worst(bundles),
        distilled=None,
    )
    return write_bundle(manifest, graphs, out)


def _worst(bundles: Sequence[ModelBundle]) -> dict[str, float]:
    """The largest export errors of the bundles."""
    return {
        key: max(b.manifest.metrics[key] for b in bundles)
        for key in ("parity_max_error", "completeness_max_error")
        if all(key in b.manifest.metrics for b in bundles)
    }
