"""Fixtures of synthetic studies, for the conftest.py of every folder whose tests take them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.synthetic_studies import (
    make_manifest,
    predict,
    write_blob_bundle,
    write_studies,
)

from ulna.bundle import Manifest, ModelBundle
from ulna.evaluation.collect import study_row
from ulna.evaluation.rows import StudyRow


@pytest.fixture
def make_rows(tmp_path: Path) -> Callable[[int], list[StudyRow]]:
    """n -> rows of n synthetic studies, half abnormal, three body parts."""

    def make(n: int) -> list[StudyRow]:
        rng = np.random.default_rng(n)
        rows = []
        for study in write_studies(tmp_path, n):
            assert study.body_part is not None
            prediction = predict(study, study.body_part, rng)
            rows.append(study_row(prediction, prediction, map_threshold=2.0))
        return rows

    return make


@pytest.fixture
def manifest() -> Manifest:
    """Two experts and three body parts, freshly exported."""
    return make_manifest()


@pytest.fixture
def blob_bundle(tmp_path: Path) -> ModelBundle:
    """A bundle on disk whose experts find bright blobs."""
    return write_blob_bundle(tmp_path / "bundle")
