"""`ulna examine`: tables, the verdict in a sentence, and the verdict in later answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.calls import ulna
from tests.runtime.analytic_bundle import FINE, write_analytic

from ulna.bundle import read_bundle, replace_examination


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A table of six images with a bright square in its box, and a bundle that reads brightness."""
    lines = ["path,patient_id,study_id,body_part,abnormal,boxes"]
    for i in range(6):
        image = np.random.default_rng(i).uniform(40, 60, (84, 70))
        image[20:30, 10 * i : 10 * i + 10] = 250
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / f"{i}.png")
        lines.append(f'{i}.png,p{i},s{i},ELBOW,1,"[[{10 * i}, 20, 10, 10]]"')
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    write_analytic(tmp_path / "bundle", [FINE])
    return tmp_path


def test_tests_and_verdict_are_printed_and_answers_have_the_verdict(work: Path) -> None:
    command = ("examine", work / "table.csv", "--bundle", work / "bundle", "--split", "all")
    done = ulna(*command, "--out", work / "out", "--studies", 4)
    assert "pointing game" in done.output and "not made: repeatability" in done.output
    assert "heat maps: " in done.output and "4 images of table.csv" in done.output
    result = json.loads((work / "out/examination.json").read_text())
    assert result["n_images"] == 4
    checked = json.loads(ulna("verify", work / "out", "--bundle", work / "bundle", "--json").stdout)
    assert checked["equal"] and len(checked["checks"]) == 5
    info = ulna("info", work / "bundle").output
    assert "4 images of table.csv" in info
    answer = json.loads(
        ulna("predict", work / "0.png", "--bundle", work / "bundle", "--json").stdout
    )
    assert answer[0]["map_reliable"] == result["reliable"]


def test_a_failed_map_is_marked_wherever_it_is_shown(work: Path) -> None:
    ulna("examine", work / "table.csv", "--bundle", work / "bundle", "--split", "all",
         "--out", work / "out")  # fmt: skip
    bundle = read_bundle(work / "bundle")
    verdict = bundle.manifest.map_examination
    assert verdict is not None
    with Image.open(
        work / "0.png"
    ) as radiograph:  # wide enough for notes to cover little of the image
        radiograph.resize((8 * radiograph.width, 8 * radiograph.height)).save(work / "wide.png")
    pictures = {}
    for low in (-1.0, 0.5):
        tests = tuple(
            replace(t, low=low, high=0.6, value=0.55, bar=0.0, above=True) for t in verdict.tests
        )
        bundle = replace_examination(bundle, replace(verdict, tests=tests))
        done = ulna(
            "predict", work / "wide.png", "--bundle", work / "bundle", "--out", work / str(low)
        )
        assert ("failed their examination" in done.output) == (low < 0)
        with Image.open(next((work / str(low)).rglob("*.png"))) as image:
            pictures[low] = np.asarray(image)
    half = len(pictures[0.5]) // 2
    assert (pictures[-1.0][:half] != pictures[0.5][:half]).any()
    np.testing.assert_array_equal(pictures[-1.0][half:], pictures[0.5][half:])


def test_studies_without_a_place_are_refused(work: Path) -> None:
    text = (work / "table.csv").read_text().replace(",1,", ",0,").replace("boxes", "note")
    (work / "normal.csv").write_text(text)
    done = ulna("examine", work / "normal.csv", "--bundle", work / "bundle", "--split", "all",
                "--out", work / "out", code=3)  # fmt: skip
    assert "with masks or boxes" in done.output
