"""The bundle in `models/fracatlas` is complete, describes itself, and predicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ulna.bundle import read_bundle
from ulna.config.engine import EngineSettings
from ulna.report.card import model_card
from ulna.runtime import Predictor
from ulna.types import BodyPart, ImageRef, Study

BUNDLE = Path(__file__).parents[2] / "models" / "fracatlas"


def test_it_says_what_it_is() -> None:
    card = dict(model_card(read_bundle(BUNDLE)).facts)
    assert "fracture against none, FracAtlas, research only" in card["Recipe"]
    assert "Not a medical device" in card["Intended use"]
    assert card["Training data"].startswith("table")
    assert sum(f.stat().st_size for f in BUNDLE.iterdir()) < 118e6


def _bar(folder: Path) -> Study:
    """A drawing: one bright bar on a dark ground, with noise."""
    rng = np.random.default_rng(0)
    image = np.full((454, 373), 20.0)
    image[:, 150:210] = 120
    image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    Image.fromarray(image).save(folder / "image.png")
    return Study("p", "s", BodyPart.FOREARM, (ImageRef(folder / "image.png"),))


@pytest.mark.slow
def test_it_refuses_a_drawing(tmp_path: Path) -> None:
    refused = Predictor.load(BUNDLE, EngineSettings(threads=1)).predict(_bar(tmp_path))
    assert "does not look like the images this model learned from" in refused.refused


@pytest.mark.slow
def test_it_calls_a_drawing_unfamiliar_and_answers_with_a_map_that_adds_up(tmp_path: Path) -> None:
    predictor = Predictor.load(BUNDLE, EngineSettings(threads=1))
    (seen,) = predictor.predict(_bar(tmp_path)).images
    assert seen.ood_distance is not None and seen.ood_distance > 1
    answer = predictor.without_refusal().predict(_bar(tmp_path))
    (image,) = answer.images
    assert image.logit == pytest.approx(float(image.grid.mean()) + image.bias, abs=1e-3)
    assert image.heat_map.shape == (454, 373)
    assert answer.triage(0.1) is not None and answer.confidence is not None
