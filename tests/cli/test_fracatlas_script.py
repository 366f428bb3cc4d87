"""`QUICK=1 scripts/fracatlas.sh`: from two tables to a bundle, in one run."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.cli.calls import ulna

from ulna.bundle import read_bundle
from ulna.config.codec import read_json
from ulna.config.recipe import Recipe

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
STUDIES = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms as the two tables of FracAtlas; the lower limb is arms under another name."""
    data = tmp_path_factory.mktemp("data")
    ulna("phantom", data, "--studies", STUDIES, "--seed", 6, "--size", 160)
    with (data / "truth.csv").open() as handle:
        images = list(csv.DictReader(handle))
    own: list[dict[str, object]] = []
    for k, image in enumerate(images):
        # unique in a table; in MURA's folders only within the patient
        study = f"{image['patient_id']}-{image['study_id']}"
        box = [float(image[f"box_{n}"]) for n in "xywh"] if image["box_w"] else None
        message = {"study_id": study, "boxes": json.dumps([box] if box else []), "hardware": 0}
        own.append({**image, **message, "source_width": 373 + 700 * (k % 2)})
    _write(data / "table.csv", own)
    _write(data / "lower_limb.csv", [{**f, "body_part": "LEG"} for f in own])
    return data


def _write(path: Path, images: list[dict[str, object]]) -> None:
    names = ["path", "patient_id", "study_id", "body_part", "abnormal", "boxes", "hardware"]
    names.append("source_width")
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(images)


def _make(data: Path, out: Path, code: int = 0) -> str:
    done = subprocess.run(
        ["scripts/fracatlas.sh", str(data), str(out)],
        cwd=ROOT,
        env={**os.environ, "QUICK": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


@pytest.mark.timeout(1500)  # two cores, four experts in five folds, other tests beside it
@pytest.mark.skipif(
    not (ROOT / ".venv/bin/ulna").is_file(), reason="no .venv: the script runs what `make` set up"
)
def test_one_run_makes_a_bundle_that_predicts(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "real"
    _make(data, out)
    trunk = read_json(Recipe, out / "trunk/recipe.json").experts[0].initial
    assert trunk.kind == "run" and Path(trunk.path) == out / "trunk-phantom"
    bundle = out / "folds/bundle"
    graphs = sorted(p.name for p in bundle.glob("*.onnx"))
    experts = ("cnn", "lite0", "lite0_plain", "lite0_whole")
    assert graphs == [f"{e}-{k}.onnx" for e in experts for k in range(5)]
    transferred = read_json(Recipe, out / "trunk-lite0/recipe.json").experts[0].initial
    assert transferred.kind == "imagenet"
    image = next(data.rglob("image1.png"))
    (answer,) = json.loads(ulna("predict", image, "--bundle", bundle, "--json").output)
    assert 0 < answer["probability"] < 1
    student = read_bundle(out / "student/bundle")
    distilled = student.manifest.distilled
    assert distilled is not None and distilled.parity is not None
    assert student.calibrated and [e.name for e in student.manifest.experts] == ["student"]
    start = read_json(Recipe, out / "student-folds/fold3/recipe.json").experts[0].initial
    assert Path(start.path) == out / "folds/fold3" and start.expert == "lite0"
    # finished steps are not repeated
    weights = out / "folds/fold4/experts/lite0_whole/weights.safetensors"
    written = weights.stat().st_mtime_ns
    message = _make(data, out)
    assert "train cnn" not in message and "phantoms:" not in message
    assert weights.stat().st_mtime_ns == written


def test_a_folder_without_the_tables_is_named(tmp_path: Path) -> None:
    message = _make(tmp_path, tmp_path / "out", code=2)
    assert f"{tmp_path}/table.csv: no such file" in message
    assert not (tmp_path / "out").exists()
