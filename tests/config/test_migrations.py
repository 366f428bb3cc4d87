"""Settings and manifests of earlier versions load under the names of today."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from ulna.bundle.distilled import StudentParity
from ulna.bundle.io import read_bundle
from ulna.bundle.manifest import Manifest
from ulna.bundle.out_of_distribution import OutOfDistributionEntry
from ulna.config.codec import from_json, read_json, to_json
from ulna.config.distillation import Distillation
from ulna.config.migrations import MIGRATIONS, Migration, migrated
from ulna.config.phantom import PhantomConfig
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.errors import ConfigError
from ulna.recipes import find_recipe

KINDS = {
    c.__name__: c
    for c in (
        ExpertConfig,
        Distillation,
        PhantomConfig,
        Manifest,
        OutOfDistributionEntry,
        StudentParity,
    )
}
EACH = [(kind, m) for kind, several in MIGRATIONS.items() for m in several]


@pytest.mark.parametrize(("kind", "migration"), EACH, ids=[f"{k}: {m.name}" for k, m in EACH])
def test_a_migration_ends_in_fields_that_are_there(kind: str, migration: Migration) -> None:
    fields = {f.name for f in dataclasses.fields(KINDS[kind])}
    for old, new in migration.keys.items():
        assert new in fields and old not in fields
        assert migrated(kind, {old: 3, "other": 4}) == {new: 3, "other": 4}
        with pytest.raises(ConfigError, match=f"'{old}' and '{new}'"):
            migrated(kind, {old: 3, new: 3})
    assert set(migration.values) <= set(migration.keys.values())


def _older(data: object) -> object:
    """`data` as an earlier version wrote it: every renamed key under its old name."""
    old = {n: o for _, m in EACH for o, n in m.keys.items()}
    if isinstance(data, dict):
        return {old.get(k, k): _older(v) for k, v in data.items()}
    return [_older(v) for v in data] if isinstance(data, list) else data


@pytest.mark.parametrize("name", ["fracatlas", "fracatlas_student", "hybrid", "pretrain"])
def test_recipes_of_earlier_versions_load(name: str, tmp_path: Path) -> None:
    recipe = find_recipe(name)
    old = _older(to_json(recipe))
    assert "hard_every" in json.dumps(old) and old != to_json(recipe)
    (tmp_path / "recipe.json").write_text(json.dumps(old))
    assert read_json(Recipe, tmp_path / "recipe.json") == recipe


def test_phantoms_of_earlier_versions_load() -> None:
    for old, new in (("close", "collimated"), ("cassette", "plate")):
        config = from_json(PhantomConfig, {"studies": 4, "film": old})
        assert config == PhantomConfig(4, framing=new)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="sideways"):
        from_json(PhantomConfig, {"studies": 4, "film": "sideways"})


def test_the_shipped_bundles_were_written_under_the_old_names() -> None:
    """They are read as they are; their hashes hold over the text, whatever it calls its keys."""
    for name in ("demonstration", "student"):
        folder = Path(__file__).parents[2] / "src" / "ulna" / "bundle" / name
        raw = json.loads((folder / "manifest.json").read_text("utf-8"))
        bundle = read_bundle(folder)
        assert bundle.hash == raw["hash"]
        entry = bundle.manifest.out_of_distribution
        assert entry is not None
        stored = raw["domain"]
        assert entry.uncertainty_margin == stored.get("slack", 0.0)
