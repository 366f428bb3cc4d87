"""Confounders follow from the settings alone and are those that the images show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ulna.config.codec import to_json
from ulna.config.phantom import Framing, PhantomConfig
from ulna.errors import DatasetError
from ulna.phantom import cassette, confounders
from ulna.phantom.cassette import develop_cassette
from ulna.phantom.confounders import develop
from ulna.phantom.study import draw_study, render_study
from ulna.phantom.visible_confounders import read_confounders, visible_confounders
from ulna.phantom.write import GENERATOR
from ulna.types import BodyPart, Laterality

CONFIGS = [
    PhantomConfig(60, seed=3, size=96),
    PhantomConfig(60, seed=3, parts=(BodyPart.HAND, BodyPart.SHOULDER), size=96, framing="plate"),
]


def write_note(folder: Path, config: PhantomConfig, generator: int = GENERATOR) -> None:
    note = {"config": to_json(config), "generator": generator}
    (folder / "phantom.json").write_text(json.dumps(note))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.framing)
def test_views_are_those_that_are_rendered(config: PhantomConfig, tmp_path: Path) -> None:
    write_note(tmp_path, config)
    studies = [render_study(config, k) for k in (0, 7)]
    drawn = read_confounders(tmp_path, [s.plan.folder for s in studies])
    for study in studies:
        assert [image.view for image in drawn[study.plan.folder]] == [v.name for v in study.views]


@pytest.mark.parametrize("framing", ["collimated", "plate"])
def test_marker_and_polarity_are_what_developing_does(
    framing: Framing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ramp is developed, with a record of whether a marker is drawn."""
    config = next(c for c in CONFIGS if c.framing == framing)
    module = confounders if framing == "collimated" else cassette
    seen: list[int] = []

    def nothing(shape: tuple[int, ...], *_: object) -> np.ndarray:
        seen.append(1)
        return np.zeros(shape, np.float32)

    monkeypatch.setattr(module, "marker", nothing)
    ramp = np.linspace(0, 2, 96 * 80, dtype=np.float32).reshape(96, 80)
    reported = []
    for index in range(60 if framing == "collimated" else 16):
        plan, _, _, images = draw_study(config, index)
        for one in images:
            visible = visible_confounders(one, plan.body_part)
            seen.clear()
            if one.cassette is None:
                pixels = develop(ramp, one.confounders, Laterality.LEFT)
            else:
                n = one.confounders
                dense = np.ones(ramp.shape, np.bool_)
                pixels = develop_cassette(ramp, dense, False, one.cassette, n, Laterality.LEFT)
            rising = float(pixels[60:80, 20:60].mean()) > float(pixels[20:40, 20:60].mean())
            assert bool(seen) == visible.marker
            assert rising != visible.inverted
            reported.append((visible.marker, visible.cast, visible.inverted))
    assert {m for m, _, _ in reported} == {True, False}


def test_images_of_the_trunk_show_no_cast() -> None:
    config = CONFIGS[1]
    drawn = [draw_study(config, k) for k in range(1, 60, 2)]
    images = [(image, plan.body_part) for plan, _, _, own in drawn for image in own]
    casts = {part for image, part in images if visible_confounders(image, part).cast}
    assert BodyPart.SHOULDER not in casts
    assert any(image.confounders.cast for image, part in images if part is BodyPart.SHOULDER)


def test_unusable_settings_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_confounders(tmp_path, [])
    write_note(tmp_path, CONFIGS[0], GENERATOR + 1)
    with pytest.raises(DatasetError, match="this version draws"):
        read_confounders(tmp_path, [])
    write_note(tmp_path, CONFIGS[0])
    with pytest.raises(DatasetError, match="does not describe"):
        read_confounders(tmp_path, ["valid/XR_WRIST/patient99999/study1_negative"])
    (tmp_path / "phantom.json").write_text('{"generator": 1, "config": {"images": 3}}')
    with pytest.raises(DatasetError, match=r"phantom\.json"):
        read_confounders(tmp_path, [])
