"""A run records the same data whether it is begun first or trained at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.tiny import make_recipe, make_studies

from ulna.bundle import DataFingerprint
from ulna.config.codec import read_json
from ulna.errors import ConfigError
from ulna.training import DataSource
from ulna.training.fingerprint import fingerprint_studies
from ulna.training.run import begin_run
from ulna.types import FindingCategory


def test_the_findings_of_a_begun_run_are_counted_by_what_its_label_means(tmp_path: Path) -> None:
    """Report: a student of a bundle of fractures, taught on a table that names no findings, knew
    no fractures: its data were counted as if the label meant any abnormality."""
    studies = [replace(s, categories=None) for s in make_studies(tmp_path / "images")]
    recipe = make_recipe(abnormal_means="fracture")
    begun = begin_run(recipe, studies, tmp_path / "run", DataSource("table", "images"))
    result = read_json(DataFingerprint, tmp_path / "run/data.json")
    assert result == fingerprint_studies(begun.side, "table", "images", "fracture")
    assert result.findings is not None
    assert min(result.findings[FindingCategory.FRACTURE]) > 0


def test_labels_of_another_meaning_begin_no_run(tmp_path: Path) -> None:
    studies = [replace(s, label_means="abnormality") for s in make_studies(tmp_path / "images")]
    recipe = make_recipe(abnormal_means="fracture")
    with pytest.raises(ConfigError, match="answers fracture"):
        begin_run(recipe, studies, tmp_path / "run", DataSource("table", "images"))
    assert not (tmp_path / "run").exists()
