"""The pictures of a bundle's maps: film and map side by side on the bundle's fixed scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.runtime.analytic_bundle import FITTED, PARTS, make_study, write_analytic

from ulna.attribution.methods import explain_study
from ulna.attribution.methods.picture import draw_explanation
from ulna.config.engine import EngineSettings
from ulna.errors import ImageError
from ulna.imaging import read_radiograph
from ulna.imaging.overlay import cautions, draw_note, draw_outline, draw_overlay
from ulna.runtime import Predictor
from ulna.types import ImageRef


def test_one_picture_for_each_view(tmp_path: Path) -> None:
    bundle = write_analytic(tmp_path / "bundle", fusion=FITTED)
    study = make_study(tmp_path / "films", PARTS[0])
    written = explain_study(bundle.path, study, tmp_path / "out", EngineSettings(threads=1))
    assert [p.name for p in written] == ["1_view0.png", "2_view1.png", "3_view2.png"]
    answer = Predictor.load(bundle.path, EngineSettings(threads=1)).predict(study)
    for path, image in zip(written, answer.images, strict=True):
        radiograph = read_radiograph(Path(image.source))
        height, width = radiograph.pixels.shape
        picture = np.asarray(Image.open(path))
        assert picture.shape == (height, 2 * width + 2 * 6 + 96, 3)
        film = np.rint(radiograph.pixels * 255)
        assert np.array_equal(picture[:, :width].mean(axis=2), film)
        overlay = draw_overlay(radiograph, image.heat_map, FITTED.map_limit)
        for finding in image.findings:
            assert finding.outline is not None
            overlay = draw_outline(overlay, finding.outline)
        # The analytic bundle says that it learned from phantoms: the picture says so too.
        overlay = draw_note(overlay, cautions(answer))
        assert np.array_equal(picture[:, width + 6 : 2 * width + 6], overlay)


def test_a_map_without_anything_leaves_the_film_alone(tmp_path: Path) -> None:
    bundle = write_analytic(tmp_path / "bundle", fusion=FITTED)
    study = make_study(tmp_path / "films", PARTS[0])
    image = Predictor.load(bundle.path, EngineSettings(threads=1)).predict(study).images[0]
    calm = replace(image, heat_map=np.full_like(image.heat_map, -0.1), findings=())
    radiograph = read_radiograph(Path(image.source))
    picture = draw_explanation(radiograph, calm, 3.0)
    width = radiograph.pixels.shape[1]
    assert np.array_equal(picture[:, :width], picture[:, width + 6 : 2 * width + 6])


def test_unreadable_study(tmp_path: Path) -> None:
    bundle = write_analytic(tmp_path / "bundle")
    study = replace(make_study(tmp_path), images=(ImageRef(tmp_path / "gone.png"),))
    with pytest.raises(ImageError, match=r"gone\.png"):
        explain_study(bundle.path, study, tmp_path / "out", EngineSettings(threads=1))
