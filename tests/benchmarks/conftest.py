"""A small random bundle for the contenders: made once, in seconds."""

from __future__ import annotations

import pytest
from benchmarks.speed.contenders.contender import Setting
from benchmarks.speed.inputs import write_images
from benchmarks.speed.weights import random_bundle

SIZE = 64


@pytest.fixture(scope="session")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    place = tmp_path_factory.mktemp("speed")
    weights = random_bundle(place, SIZE, 0, ("resnet10t",))
    return Setting(weights, write_images(place, 0, 2), SIZE, 1)
