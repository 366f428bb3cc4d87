"""An answer as JSON of the command line, and as a picture on the fixed scale."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.calls import ulna as verb

import ulna
from ulna.errors import ConfigError
from ulna.imaging.overlay import draw_overlay
from ulna.imaging.read import read_radiograph

pytestmark = pytest.mark.slow


@pytest.fixture
def answer(examples: Path) -> ulna.Answer:
    return ulna.load("demonstration", engine="onnxruntime:fp32").predict(
        "image.png", body_part="WRIST"
    )


def test_json_is_what_the_command_line_prints(answer: ulna.Answer, examples: Path) -> None:
    printed = verb(
        "predict", "image.png", "--bundle", "demonstration", "--body-part", "WRIST", "--json",
        "--engine", "onnxruntime:fp32",
    )  # fmt: skip
    (wanted,) = json.loads(printed.stdout)
    assert json.loads(answer.to_json()) == wanted


def test_a_saved_answer_is_the_picture_of_a_notebook(answer: ulna.Answer, tmp_path: Path) -> None:
    file = answer.save(tmp_path / "answer.png")
    with Image.open(file) as saved, Image.open(BytesIO(answer._repr_png_())) as shown:
        np.testing.assert_array_equal(np.asarray(saved), np.asarray(shown))
    with pytest.raises(OSError, match="nowhere"):
        answer.save(tmp_path / "nowhere" / "answer.png")


def test_the_picture_is_image_and_map_on_the_fixed_scale(answer: ulna.Answer) -> None:
    (axes,) = answer.plot()
    shown = np.asarray(axes.get_images()[0].get_array())
    image = read_radiograph("image.png")
    limit = ulna.load("demonstration").manifest.fusion.map_limit
    if answer.images[0].refusal:
        np.testing.assert_array_equal(shown, image.pixels)
    else:
        wanted = draw_overlay(image, answer.images[0].heat_map, limit)
        np.testing.assert_array_equal(shown, wanted)
    outlined = [f for f in answer.images[0].findings if f.outline is not None]
    assert len(axes.lines) == len(outlined)


def test_a_notebook_shows_a_png_and_pyplot_does_not_know_it(answer: ulna.Answer) -> None:
    from matplotlib import pyplot

    pyplot.close("all")
    picture = Image.open(BytesIO(answer._repr_png_()))
    assert picture.format == "PNG" and min(picture.size) > 200
    assert not pyplot.get_fignums()


def test_an_array_is_drawn_without_a_file(examples: Path) -> None:
    pixels = np.asarray(Image.open("image.png").convert("L"))
    answer = ulna.load("demonstration").predict([pixels, pixels])
    axes = answer.plot()
    assert len(axes) == 2 and axes[0].get_images()
    with pytest.raises(ConfigError, match="expected one for each of 2 views"):
        answer.plot(axes[0])
