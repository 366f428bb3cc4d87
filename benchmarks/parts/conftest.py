"""One thread per library, so that runs can be compared; the shipped bundle for all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The bundle of real images that comes with the repository."""
    return Path(__file__).resolve().parents[2] / "models" / "fracatlas"
