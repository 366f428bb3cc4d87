"""`ulna predict image.png` with nothing else: an answer, and that it is a demonstration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.calls import ulna

from ulna.bundle import DEMONSTRATION_BUNDLE, default_bundle, read_bundle

HEAVY = ("torch", "timm", "scipy", "pydicom", "matplotlib", "numba", "onnx", "asyncio")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Nothing that the bundle knows: a bar in the dark."""
    pixels = np.full((300, 240), 20.0)
    pixels[:, 90:150] = 150
    noise = np.random.default_rng(0).normal(0, 4, pixels.shape)
    path = tmp_path / "film.png"
    Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(path)
    return path


def test_the_table_says_it(image: Path) -> None:
    done = ulna("predict", image, "--bundle", DEMONSTRATION_BUNDLE)
    assert "must not be used on patients" in done.stdout
    assert "no --bundle" not in done.stderr


def test_the_json_says_it(image: Path) -> None:
    (answer,) = json.loads(
        ulna("predict", image, "--json", "--bundle", DEMONSTRATION_BUNDLE).stdout
    )
    assert answer["demonstration"] is True
    assert answer["bundle"] == read_bundle(DEMONSTRATION_BUNDLE).hash


def test_without_a_bundle_the_package_s_own_answers(image: Path) -> None:
    done = ulna("predict", image, "--json")
    (answer,) = json.loads(done.stdout)
    own = read_bundle(default_bundle())
    assert answer["bundle"] == own.hash
    assert answer["demonstration"] is own.manifest.demonstration
    kind = "a demonstration" if own.manifest.demonstration else own.manifest.name
    assert f"no --bundle: the one that comes with ulna answers ({kind})" in done.stderr


def test_info_says_it() -> None:
    (line,) = [
        s for s in ulna("info", DEMONSTRATION_BUNDLE).stdout.splitlines() if "DEMONSTRATION" in s
    ]
    assert "not for use on patients" in line
    box = json.loads(ulna("info", "--json").stdout)["box"]
    assert box["demonstration"] == ("must not be used on patients" in box["intended_use"])
    assert box["bundle"] == str(default_bundle())
    assert "bundle in the package" in ulna("info").stdout


def test_predicting_imports_nothing_heavy(image: Path) -> None:
    code = (
        "import json, sys; from ulna.cli.main import cli\n"
        f"cli(['predict', {str(image)!r}, '--json'], standalone_mode=False)\n"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == []
