"""The comparison of heat-map methods, on studies whose findings are known."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.export.tiny_run import tiny_recipe, write_tiny_run

from ulna.attribution.methods import compare_methods
from ulna.attribution.methods.known import read_known
from ulna.config.recipe import ExpertConfig
from ulna.errors import ConfigError, DatasetError, ImageWarning
from ulna.imaging import read_radiograph
from ulna.metrics.localisation import energy_inside, pointing_game, pointing_tolerance
from ulna.models.trained import load_expert
from ulna.types import BodyPart, ImageRef, Study

EXPERTS = (
    ExpertConfig(name="own", encoder="cnn", neck="attention"),
    ExpertConfig(name="small", encoder="resnet10t"),
)
RECIPE = tiny_recipe(EXPERTS)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain") / "run"
    write_tiny_run(folder, RECIPE)
    return folder


def test_scores_and_files(run: Path, known_studies: Sequence[Study], tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    methods = ("built_in", "grad_cam", "eigen_cam")
    scores = compare_methods(
        run, known_studies, tmp_path, methods, progress=lambda d, n: calls.append((d, n))
    )
    assert [(s.expert, s.method) for s in scores] == [(e.name, m) for e in EXPERTS for m in methods]
    assert {s.n_images for s in scores} == {12}
    assert calls == [(i, 24) for i in range(1, 25)]
    for s in scores:
        assert 0 <= s.pointing_game_low <= s.pointing_game <= s.pointing_game_high <= 1
        assert 0 <= s.energy_inside_low <= s.energy_inside <= s.energy_inside_high <= 1
        assert s.energy_inside_chance == pytest.approx(144 / (70 * 90))
        assert 0 <= s.iou <= 1
        assert s.milliseconds > 0
    saved = json.loads((tmp_path / "explain.json").read_text())
    assert [row["pointing_game"] for row in saved] == [s.pointing_game for s in scores]
    with (tmp_path / "explain.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(r["energy_inside"]) for r in rows] == [s.energy_inside for s in scores]
    with Image.open(tmp_path / "explain.png") as picture:
        assert min(picture.size) > 300


def test_built_in_row_is_the_measures_of_the_map(
    run: Path, known_studies: Sequence[Study], tmp_path: Path
) -> None:
    (score, _) = compare_methods(run, known_studies, tmp_path, ["built_in"])
    expert = load_expert(run, RECIPE, EXPERTS[0])
    pointing, energy = [], []
    for known in read_known(known_studies, RECIPE, 99):
        with torch.inference_mode():
            cam = expert(torch.from_numpy(known.prepared)[None]).cam_BPhw[0, known.part]
        heat = known.placement.to_source(cam.numpy())
        pointing.append(pointing_game(heat, known.mask, pointing_tolerance(known.mask.shape)))
        energy.append(energy_inside(heat, known.mask))
    assert score.pointing_game == pytest.approx(np.mean(pointing))
    assert score.energy_inside == pytest.approx(np.mean(energy), rel=1e-5)


def test_known_images(known_studies: Sequence[Study]) -> None:
    result = read_known(known_studies, RECIPE, 99)
    assert len(result) == 12
    for known in result:
        assert known.mask.shape == known.radiograph.pixels.shape
        assert known.mask.sum() == 144
        inside = known.radiograph.pixels[known.mask]
        assert inside.mean() > 2 * known.radiograph.pixels[~known.mask].mean()
    assert {k.part for k in result} == {0, 2}
    assert [k.patient_id for k in read_known(known_studies, RECIPE, 2)] == ["p0"] * 2 + ["p5"] * 2


def test_a_view_without_the_finding_is_left_out(
    known_studies: Sequence[Study], tmp_path: Path
) -> None:
    study = known_studies[0]
    size = read_radiograph(study.images[0].path).pixels.shape[::-1]
    empty = tmp_path / "mask.png"
    Image.new("L", size).save(empty)
    hidden = replace(study.images[0], mask=empty)
    result = read_known([replace(study, images=(hidden, study.images[1]))], RECIPE, 9)
    assert len(result) == 1


def test_an_unreadable_image_or_mask_is_left_out_with_a_warning(
    known_studies: Sequence[Study], tmp_path: Path
) -> None:
    small, text = tmp_path / "small.png", tmp_path / "text.png"
    Image.new("L", (3, 3)).save(small)
    text.write_text("no mask")
    first, *others = known_studies
    sources = [k.radiograph.source for k in read_known(others, RECIPE, 99)]
    for change, words in (
        ({"mask": small}, r"small\.png: mask of \(3, 3\)"),
        ({"mask": text}, r"text\.png: mask of"),
        ({"path": text}, r"text\.png: begins with"),
        ({"path": tmp_path / "gone.png"}, r"gone\.png: no such file"),
    ):
        bad = replace(first, images=(replace(first.images[0], **change),))  # type: ignore[arg-type]
        with pytest.warns(ImageWarning, match=words):
            result = read_known([bad, *others], RECIPE, 99)
        assert [k.radiograph.source for k in result] == sources
        with pytest.warns(ImageWarning), pytest.raises(DatasetError, match="none is abnormal"):
            read_known([bad], RECIPE, 9)


def test_nothing_to_judge_on(run: Path, known_studies: Sequence[Study], tmp_path: Path) -> None:
    normal = [s for s in known_studies if not s.abnormal]
    bare = [Study("p", "s", BodyPart.WRIST, (ImageRef(normal[0].images[0].path),), True)]
    other = [replace(known_studies[0], body_part=BodyPart.HAND)]
    for studies in ([], normal, bare, other):
        with pytest.raises(DatasetError, match="none is abnormal"):
            compare_methods(run, studies, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("methods", [["magic"], [], ["grad_cam", "grad_cam"]])
def test_methods_are_known_and_distinct(
    run: Path, known_studies: Sequence[Study], tmp_path: Path, methods: list[str]
) -> None:
    with pytest.raises(ConfigError, match="heat-map method"):
        compare_methods(run, known_studies, tmp_path, methods)
