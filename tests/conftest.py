"""For every test: one thread per library, and the real data where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Read by the numeric libraries when they are first imported: tests run side by side, and a
# few kernels give bits that depend on the number of threads.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real radiographs; a test that asks for it is skipped where there is none."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real radiographs beside this repository (../shared/data)")
    return folder
