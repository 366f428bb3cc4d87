"""The default bundle, and the requirements on it."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from tests.runtime.analytic_bundle import COARSE, write_analytic

from ulna.bundle import (
    DEMONSTRATION_BUNDLE,
    STUDENT_BUNDLE,
    DataFingerprint,
    Distilled,
    ModelBundle,
    StudentParity,
    default_bundle,
    read_bundle,
    replace_fusion,
    shipped,
    write_bundle,
)
from ulna.bundle.distilled import MOST_BYTES
from ulna.config.recipe import InitialWeights
from ulna.errors import UlnaError

PARITY = StudentParity(
    "images", 100, 90, (0.93, 0.925), (-0.005, -0.02, 0.0), (0.97, 0.9, 1.0), 0.8, None, (0.9, 0.1),
    "onnxruntime:fp32", 7_000_000,
)  # fmt: skip


def test_the_default_is_whole_small_and_calibrated() -> None:
    """The student once there is one: else the demonstration, which says so."""
    bundle = read_bundle(default_bundle())
    assert bundle.calibrated
    assert sum(f.stat().st_size for f in bundle.path.iterdir()) <= MOST_BYTES
    if bundle.path == STUDENT_BUNDLE:
        distilled = bundle.manifest.distilled
        assert distilled is not None and distilled.parity is not None
        # What the gate refused is there with the reason beside it, and with its data's licence.
        assert distilled.parity.accepted or (bundle.path / "ACCEPTED.md").is_file()
        assert "CC BY 4.0" in (bundle.path / "ATTRIBUTION.md").read_text(encoding="utf-8")
        assert not bundle.manifest.demonstration
    else:
        assert bundle.path == DEMONSTRATION_BUNDLE and bundle.manifest.demonstration


def test_a_student_in_the_package_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "STUDENT_BUNDLE", tmp_path / "student")
    assert default_bundle() == DEMONSTRATION_BUNDLE
    shutil.copytree(DEMONSTRATION_BUNDLE, tmp_path / "student")
    assert default_bundle() == tmp_path / "student"


def _student(out: Path, **changes: object) -> ModelBundle:
    raw = write_analytic(out, [COARSE])
    values: dict[str, object] = {
        "data": DataFingerprint("table", "images", 10, 10, ""),
        "fusion": replace(raw.manifest.fusion, n_calibration_studies=40),
        "distilled": Distilled("a" * 64, "hybrid", "onnxruntime:fp32", parity=PARITY),
    }
    manifest = replace(raw.manifest, **{**values, **changes})  # type: ignore[arg-type]
    return write_bundle(manifest, {"coarse": COARSE.graph()}, out)


@pytest.fixture
def ship_student(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """scripts/ship_student.py as a module."""
    monkeypatch.syspath_prepend(repository / "scripts")
    yield importlib.import_module("ship_student")
    sys.modules.pop("ship_student")


def test_a_shipped_student_names_no_folder(ship_student: ModuleType, tmp_path: Path) -> None:
    target = tmp_path / "package"
    start = InitialWeights("run", str(tmp_path / "runs" / "first"))
    raw = _student(tmp_path / "good").manifest
    away = _student(
        tmp_path / "away",
        experts=tuple(replace(e, initial=start) for e in raw.experts),
        recipe=replace(raw.recipe, experts=(replace(raw.recipe.experts[0], initial=start),)),
    )
    ship_student.ship(away.path, target)
    assert str(tmp_path) not in (target / "manifest.json").read_text()
    assert read_bundle(target).manifest.experts[0].initial.path == "first"


def test_only_a_student_that_may_be_shipped_is(ship_student: ModuleType, tmp_path: Path) -> None:
    target = tmp_path / "package" / "student"
    target.parent.mkdir()
    ship_student.ship(_student(tmp_path / "good").path, target)
    assert read_bundle(target).hash == read_bundle(tmp_path / "good").hash
    worse = replace(PARITY, difference=(-0.02, -0.03, -0.01), forced=True)
    fusion = read_bundle(target).manifest.fusion
    for name, changes, message in (
        ("refused", {"distilled": Distilled("a", "h", "e", parity=worse)}, "0.010 below"),
        ("plain", {"distilled": None}, "no gate has compared it"),
        ("raw", {"fusion": replace(fusion, n_calibration_studies=0)}, "not calibrated"),
        ("box", {"data": DataFingerprint("phantom", "p", 1, 1, "")}, "simulated images alone"),
    ):
        bundle = _student(tmp_path / name, **changes)  # type: ignore[arg-type]
        with pytest.raises(UlnaError, match=message):
            ship_student.ship(bundle.path, target)
    forced = _student(tmp_path / "forced", distilled=Distilled("a" * 64, "h", "e", parity=worse))
    ship_student.ship(forced.path, target, "Better than the demonstration.", "CC BY 4.0")
    assert "0.010 below" in (target / "ACCEPTED.md").read_text()
    assert (target / "ATTRIBUTION.md").read_text() == "CC BY 4.0\n"
    assert read_bundle(target).manifest.distilled == forced.manifest.distilled
    unforced = replace(worse, forced=False)
    other = _student(tmp_path / "other", distilled=Distilled("a" * 64, "h", "e", parity=unforced))
    with pytest.raises(UlnaError, match="0.010 below"):
        ship_student.ship(other.path, target, "Nobody let it through.")
    again = replace_fusion(read_bundle(tmp_path / "good"), fusion, {})
    with pytest.raises(UlnaError, match="no gate has compared it"):
        ship_student.ship(again.path, target)
    assert read_bundle(target).manifest.distilled is not None


def test_git_knows_every_file_of_a_bundle_in_the_package(repository: Path) -> None:
    """Graphs are ignored by default: a clone and a wheel had the student without its graph."""
    if not (repository / ".git").exists():
        pytest.skip("no git repository around this source tree")
    for folder in (DEMONSTRATION_BUNDLE, STUDENT_BUNDLE, repository / "models" / "fracatlas"):
        there = {str(f.relative_to(repository)) for f in folder.glob("*")}
        listed = subprocess.run(
            ["git", "ls-files", "--others", "--ignored", "--exclude-standard", str(folder)],
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
        )
        assert not there & set(listed.stdout.splitlines())
