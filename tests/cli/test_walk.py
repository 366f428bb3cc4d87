"""All commands at small size, from phantoms to report, step by step and as a demo."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.calls import ulna

from ulna.config.codec import write_json
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.recipes import RECIPES

pytestmark = pytest.mark.slow


def _tiny_recipe() -> Recipe:
    experts = tuple(
        ExpertConfig(name=name, encoder=encoder, epochs=1, batch_size=8)
        for name, encoder in (("cnn", "cnn"), ("mobile", "mobilenetv3_small_050"))
    )
    return replace(
        RECIPES["demo"](),
        name="tiny",
        experts=experts,
        input_spec=InputSpec(size=96),
        fractions={"train": 0.4, "tune": 0.2, "calibration": 0.4},
        minutes=0.0,
        precision="auto",
    )


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with phantoms, a run and a calibrated bundle, made by the commands."""
    work = tmp_path_factory.mktemp("walk")
    write_json(_tiny_recipe(), work / "tiny.json")
    ulna("phantom", work / "phantoms", "--studies", 72, "--seed", 4, "--size", 96)
    ulna("train", work / "phantoms", "--recipe", work / "tiny.json", "--out", work / "run")
    ulna("export", work / "run", "--out", work / "run" / "bundle")
    bundle = work / "run" / "bundle"
    fitted = ulna("calibrate", bundle, "--run", work / "run", "--data", work / "phantoms", "--json")
    fusion = json.loads(fitted.stdout)
    assert fusion["n_calibration_studies"] > 0
    assert all(sum(w.values()) == pytest.approx(1) for w in fusion["weights"].values())
    return work


def test_float16_weights_give_the_same_answers(work: Path) -> None:
    half = work / "half"
    ulna("export", work / "run", "--out", half, "--weights", "float16")
    reported = json.loads((half / "manifest.json").read_text())["experts"]
    assert {e["weights"] for e in reported} == {"float16"}
    for entry in reported:
        sizes = [(b / entry["graph"]).stat().st_size for b in (half, work / "run/bundle")]
        assert sizes[0] < 0.75 * sizes[1]


def _images(work: Path) -> Sequence[Path]:
    return sorted((work / "phantoms" / "valid").rglob("*.png"))


def test_evaluate_takes_the_held_out_studies(work: Path) -> None:
    out = work / "scores"
    done = ulna(
        "evaluate", work / "phantoms", "--bundle", work / "run/bundle", "--out", out, "--json"
    )
    metrics = json.loads(done.stdout)
    assert "held out by the data set" in done.stderr
    assert metrics == json.loads((out / "metrics.json").read_text())
    studies = {f.parent for f in _images(work)}
    assert metrics["by_body_part"]["ALL"]["n_studies"] == len(studies)
    assert (out / "report.html").stat().st_size > 0
    assert (out / "predictions.csv").is_file()


def test_evaluating_on_all_warns_that_scores_are_optimistic(work: Path) -> None:
    bundle = work / "run/bundle"
    done = ulna(
        "evaluate", work / "phantoms", "--bundle", bundle, "--out", work / "all", "--split", "all"
    )
    assert "scores are optimistic" in done.stderr
    assert "report:" in done.stdout


def test_predict_as_text_json_and_pictures(work: Path, tmp_path: Path) -> None:
    bundle, images = work / "run/bundle", _images(work)
    visit = images[0].parent
    done = ulna("predict", images[0], visit, "--bundle", bundle, "--json", "--out", tmp_path)
    single, whole = json.loads(done.stdout)
    assert len(single["images"]) == 1
    assert len(whole["images"]) == len(list(visit.glob("*.png")))
    assert not single["body_part_given"]
    assert len(list(tmp_path.rglob("*.png"))) == 1 + len(whole["images"])
    text = ulna("predict", images[0], "--bundle", bundle, "--body-part", "WRIST").stdout
    assert "WRIST" in text and "not a medical device" in text


def test_one_bad_image_does_not_hide_the_others(work: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("not an image")
    images = [bad, _images(work)[0]]
    done = ulna("predict", *images, "--bundle", work / "run/bundle", "--json", code=10)
    lost, answered = json.loads(done.stdout)
    assert "bad.png" in lost["error"] and lost["probability"] is None
    assert answered["error"] is None and 0 <= answered["probability"] <= 1
    assert "1 of 2 studies have no answer" in done.stderr and "bad.png" in done.stderr


def test_info_verifies_and_a_flipped_byte_is_found(work: Path, tmp_path: Path) -> None:
    shown = ulna("info", work / "run/bundle").stdout
    assert "verified" in shown and "mobile" in shown
    broken = tmp_path / "bundle"
    shutil.copytree(work / "run/bundle", broken)
    graph = next(broken.glob("*.onnx"))
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    done = ulna("info", broken, code=5)
    assert graph.name in done.stderr


def test_explain_compares_methods(work: Path) -> None:
    out = work / "explain"
    done = ulna(
        "explain", work / "phantoms", "--run", work / "run", "--out", out, "--studies", 2, "--json"
    )
    scores = json.loads(done.stdout)
    assert {s["expert"] for s in scores} == {"cnn", "mobile"}
    assert len({s["method"] for s in scores}) >= 4


def test_a_run_is_not_overwritten_but_resumed(work: Path) -> None:
    arguments = ("train", work / "phantoms", "--recipe", work / "tiny.json", "--out", work / "run")
    assert "--resume" in ulna(*arguments, code=2).stderr
    before = (work / "run/experts/cnn/weights.safetensors").read_bytes()
    ulna(*arguments, "--resume")
    assert (work / "run/experts/cnn/weights.safetensors").read_bytes() == before
    ulna(*arguments, "--resume", "--set", "seed=9", code=2)


def test_calibrating_on_other_data_is_refused(work: Path, tmp_path: Path) -> None:
    ulna("phantom", tmp_path / "other", "--studies", 6, "--seed", 5, "--size", 96)
    arguments = ("--run", work / "run", "--data", tmp_path / "other")
    assert "not those of" in ulna("calibrate", work / "run/bundle", *arguments, code=2).stderr


def test_demo_on_a_folder_then_again_then_with_other_settings(work: Path) -> None:
    out = work / "demo"
    arguments = ("demo", "--data", work / "phantoms", "--recipe", work / "tiny.json", "--out", out)
    first = ulna(*arguments)
    assert "AUROC visible" in first.stdout
    assert str(out / "report.html") in first.stdout
    assert list((out / "heat_maps").rglob("*.png"))
    page = (out / "report.html").read_text("utf-8")
    assert '<h2 id="examine">' in page and "Made with bundle" not in page
    ulna("verify", out / "evaluation", "--bundle", out / "bundle")
    # Killed between two steps: steps recorded as done are not repeated.
    steps = json.loads((out / "steps.json").read_text())
    write_json(steps[: steps.index("evaluate")], out / "steps.json")
    again = ulna(*arguments)
    assert "train cnn" not in again.stderr and "evaluate" in again.stderr
    assert "other settings" in ulna(*arguments, "--seed", 8, code=2).stderr
    assert "is no demo" in ulna("demo", "--out", work / "run", code=2).stderr
