"""The tiny studies of `tiny.py`, written once for all tests of training."""

from __future__ import annotations

import pytest
from tests.training.tiny import make_studies

from ulna.types import Study


@pytest.fixture(scope="session")
def tiny_studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    return make_studies(tmp_path_factory.mktemp("tiny"))
