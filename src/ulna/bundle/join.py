"""One bundle from several: of all folds, or of the same fold in several cross-validations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from ulna.bundle.io import ModelBundle, write_bundle
from ulna.bundle.manifest import DataFingerprint, uncalibrated_fusion
from ulna.config.recipe import InitialWeights, Recipe
from ulna.errors import BundleError, ConfigError

# What of a recipe only its training asks for, or names it.
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
    """Write the bundle `out` of all experts of `bundles`, renamed 'expert-k', not calibrated.

    data: what all of them together learned from. Raises BundleError unless all have the same
    recipe but for the seed and for where experts start (each fold's from the same fold of another
    cross-validation); the first one's is recorded, and of every expert its own start.
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
        distilled=None,  # each had a teacher of its own
    )
    return write_bundle(manifest, graphs, out)


def _of_any_fold(recipe: Recipe) -> Recipe:
    """`recipe` without what is each fold's own."""
    experts = [replace(e, initial=InitialWeights()) for e in recipe.experts]
    return replace(recipe, seed=0, experts=tuple(experts))


def unite_recipes(recipes: Sequence[Recipe]) -> Recipe:
    """The recipe of all experts of `recipes`, which may differ in how experts were trained alone.

    Name, description, seed, fusion and all that is of the training alone are those of the first;
    where augmentation differs every expert is given its own. An expert whose name is taken is
    called 'expert_2', 'expert_3', ...; of several recipes the calibration is 'fitted', since their
    mean is no student's logit. Raises ConfigError for recipes that differ otherwise, and for a
    layout, which names experts.
    """
    if len({r.augmentation for r in recipes}) > 1:
        recipes = [_each_its_own(r) for r in recipes]
    first = recipes[0]
    experts, taken = list(first.experts), {e.name for e in first.experts}
    for other in recipes:
        if other.fusion.layout:
            raise ConfigError(
                f"recipe {other.name}: its layout says which expert answers for a body part: "
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
    """The same training, with the recipe's augmentation written down for every expert."""
    experts = [
        replace(e, augmentation=e.augmentation or recipe.augmentation) for e in recipe.experts
    ]
    return replace(recipe, experts=tuple(experts))


def unite_bundles(bundles: Sequence[ModelBundle], recipe: Recipe, out: Path) -> ModelBundle:
    """Write the bundle `out` of all experts of `bundles`, named as in `recipe`, not calibrated.

    recipe: of `unite_recipes`, with the seed to record. Raises BundleError unless all learned from
    the same studies, and where two experts are the same.
    """
    first = bundles[0].manifest
    for bundle in bundles[1:]:
        # Counts of findings were not always recorded; the hash says which studies they were.
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
    """The largest errors of the graphs that came with the bundles."""
    return {
        key: max(b.manifest.metrics[key] for b in bundles)
        for key in ("parity_max_error", "completeness_max_error")
        if all(key in b.manifest.metrics for b in bundles)
    }
