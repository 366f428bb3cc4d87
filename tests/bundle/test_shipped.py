"""The shipped bundle is small, complete, and marked as a demonstration."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ulna.bundle import DEMONSTRATION_BUNDLE, Manifest, read_bundle
from ulna.errors import BundleError
from ulna.recipes import find_recipe
from ulna.types import BodyPart

MOST_BYTES = 4_000_000


def test_it_is_small() -> None:
    assert sum(f.stat().st_size for f in DEMONSTRATION_BUNDLE.rglob("*")) <= MOST_BYTES


def test_it_is_verified_calibrated_and_knows_its_images() -> None:
    bundle = read_bundle(DEMONSTRATION_BUNDLE)
    manifest = bundle.manifest
    assert bundle.calibrated and manifest.out_of_distribution is not None
    assert {f.name for f in DEMONSTRATION_BUNDLE.iterdir()} == {
        "manifest.json",
        "cnn.onnx",
        manifest.out_of_distribution.file,
    }
    assert set(manifest.body_parts) == set(BodyPart)
    assert manifest.recipe == find_recipe("demonstration")


def test_it_says_that_it_is_a_demonstration() -> None:
    manifest = read_bundle(DEMONSTRATION_BUNDLE).manifest
    assert manifest.data.kind == "phantom" and manifest.demonstration
    assert "must not be used on patients" in manifest.intended_use


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    for name in sorted(f.name for f in DEMONSTRATION_BUNDLE.iterdir()):
        copy = shutil.copytree(DEMONSTRATION_BUNDLE, tmp_path / name)
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / name).write_bytes(data)
        with pytest.raises(BundleError, match="damaged"):
            read_bundle(copy)


def test_the_kind_of_data_makes_the_demonstration(manifest: Manifest) -> None:
    for kind, simulated in (("phantom", True), ("table", False), ("mura", False)):
        data = replace(manifest.data, kind=kind)
        assert replace(manifest, data=data).demonstration is simulated
        assert ("patients" in data.intended_use) is simulated
        assert "Not a medical device" in data.intended_use
