"""`ulna ensemble`: the experts of two cross-validations combined, out of fold."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from tests.cli.calls import phantoms_and_recipe, ulna

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms, a tiny recipe cross-validated from two seeds, and the ensemble of both."""
    work = tmp_path_factory.mktemp("ensemble")
    phantoms_and_recipe(work)
    for name, seed in (("one", 0), ("two", 50)):
        ulna(*_crossval(work, name), "--set", f"seed={seed}", "--cache", work / "cache")
    ulna("ensemble", work / "one", work / "two", "--out", work / "both", "--against", work / "one")
    return work


def _crossval(work: Path, out: str) -> list[object]:
    recipe = work / "tiny.json"
    return ["crossval", work / "phantoms", "--recipe", recipe, "--folds", 2, "--out", work / out]


def _rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "evaluation/predictions.csv").open() as handle:
        return {r["study"]: r for r in csv.DictReader(handle)}


def test_every_expert_predicts_as_in_its_own_cross_validation(work: Path) -> None:
    one, two, both = (_rows(work / n) for n in ("one", "two", "both"))
    assert set(both) == set(one)
    for study, row in both.items():
        assert row["split"] == one[study]["split"]
        assert row["study_cnn"] == one[study]["study_cnn"]
        assert row["study_cnn_2"] == two[study]["study_cnn"]


def test_scores_are_those_of_a_cross_validation(work: Path) -> None:
    scores = json.loads((work / "both/scores.json").read_text())
    assert scores["scores"]["all"]["n_studies"] == len(_rows(work / "both"))
    assert scores["minus"]["one"]["all"]["auroc"]["value"] is not None
    given = ("--data", work / "phantoms", "--studies", 2, "--json")
    checked = json.loads(ulna("verify", work / "both", *given).stdout)
    requested = [c for c in checked["checks"] if "predicted again" in c["what"]]
    assert checked["equal"] and requested and all(c["equal"] for c in requested)


def test_the_bundle_holds_all_and_answers(work: Path) -> None:
    manifest = json.loads((work / "both/bundle/manifest.json").read_text())
    names = [e["name"] for e in manifest["experts"]]
    assert names == ["cnn-0", "cnn_2-0", "cnn-1", "cnn_2-1"]
    for shares in manifest["fusion"]["weights"].values():
        assert shares["cnn-0"] == pytest.approx(shares["cnn-1"])
    image = next((work / "phantoms").rglob("XR_ELBOW/*/*/image1.png"))
    answer = json.loads(ulna("predict", image, "--bundle", work / "both/bundle", "--json").stdout)
    assert 0 <= answer[0]["probability"] <= 1


def test_the_same_command_again_changes_nothing(work: Path) -> None:
    before = (work / "both/evaluation/predictions.csv").read_bytes()
    again = shutil.copytree(work / "both", work / "again")
    shutil.rmtree(again / "fold1")
    shutil.rmtree(again / "evaluation")
    ulna("ensemble", work / "one", work / "two", "--out", again)
    assert (again / "evaluation/predictions.csv").read_bytes() == before


def test_another_fusion_can_be_chosen(work: Path) -> None:
    ulna("ensemble", work / "one", work / "two", "--out", work / "mean", "--fusion", "mean")
    fusion = json.loads((work / "mean/bundle/manifest.json").read_text())["fusion"]
    for shares in fusion["weights"].values():
        assert list(shares.values()) == pytest.approx([1 / len(shares)] * len(shares))


def test_what_cannot_be_combined_is_refused(work: Path) -> None:
    one, two = work / "one", work / "two"
    alone = ulna("ensemble", one, "--out", work / "x", code=2)
    assert "two or more" in alone.output
    itself = ulna("ensemble", one, one, "--out", work / "x", code=2)
    assert "different folders" in itself.output
    copy = shutil.copytree(one, work / "copy")
    same = ulna("ensemble", one, copy, "--out", work / "x", code=5)
    assert "expected experts of their own" in same.output
    swapped = ulna("ensemble", two, one, "--out", work / "both", code=2)
    assert "other settings" in swapped.output
    shutil.rmtree(copy / "fold1/bundle")
    half = ulna("ensemble", two, copy, "--out", work / "y", code=2)
    assert "--only" in half.output and "fold1" in half.output
    nothing = ulna("ensemble", one, work / "phantoms", "--out", work / "z", code=2)
    assert "no crossval.json" in nothing.output


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("fold_seed", 3, "folds of seed 3"), ("folds", 4, "4 folds"), ("also", "/t.csv", "/t.csv")],
)
def test_other_folds_are_refused(work: Path, key: str, value: object, message: str) -> None:
    other = work / f"other-{key}"
    other.mkdir()
    shutil.copyfile(work / "two/data.json", other / "data.json")
    settings = json.loads((work / "two/crossval.json").read_text())
    (other / "crossval.json").write_text(json.dumps({**settings, key: value}))
    refused = ulna("ensemble", work / "one", other, "--out", work / "w", code=2)
    assert message in refused.output and "expected the same" in refused.output


def test_other_data_and_other_recipes_are_refused(work: Path) -> None:
    other = work / "other-data"
    other.mkdir()
    shutil.copyfile(work / "two/crossval.json", other / "crossval.json")
    data = json.loads((work / "two/data.json").read_text())
    (other / "data.json").write_text(json.dumps({**data, "sha256": "0" * 64}))
    refused = ulna("ensemble", work / "one", other, "--out", work / "v", code=2)
    assert "other studies, labels or file names" in refused.output
    shutil.copyfile(work / "two/data.json", other / "data.json")
    settings = json.loads((work / "two/crossval.json").read_text())
    settings["recipe"]["input_spec"]["size"] = 128
    (other / "crossval.json").write_text(json.dumps(settings))
    refused = ulna("ensemble", work / "one", other, "--out", work / "v", code=2)
    assert "differ in input_spec" in refused.output
