"""`ulna crossval` of several sources, one left out; the experts are written beforehand."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.calls import ulna

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))

from synthetic_studies import make_manifest, write_blob_bundle, write_studies  # noqa: E402

from ulna.bundle import read_bundle  # noqa: E402
from ulna.config.codec import write_json  # noqa: E402
from ulna.config.recipe import Recipe  # noqa: E402
from ulna.errors import DatasetError, DatasetWarning  # noqa: E402
from ulna.evaluation.left_out import source_names  # noqa: E402
from ulna.experiments.crossval_steps import CrossvalFolder, CrossvalSettings  # noqa: E402
from ulna.robustness.sources.image_features import image_features, score_controls  # noqa: E402
from ulna.robustness.sources.standardise import CONTROLS  # noqa: E402
from ulna.runtime import Predictor  # noqa: E402


def _recipe() -> Recipe:
    """A recipe whose label means the same as the labels of the sources."""
    return replace(make_manifest().recipe, abnormal_means="fracture")


COLUMNS = "path,patient_id,study_id,body_part,abnormal,plate"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sources, one that labels only implants, and one of unknown body part."""
    work = tmp_path_factory.mktemp("sources")
    rows = ["source,table,label_means,licence,role"]
    for name, n in (("atlas", 36), ("wrist", 24), ("away", 24), ("steel", 6), ("legs", 6)):
        folder = work / name
        folder.mkdir()
        lines = [COLUMNS if name == "atlas" else COLUMNS.removesuffix(",plate")]
        for i, s in enumerate(write_studies(folder, n)):
            part = "" if name == "legs" else s.body_part
            about = f"{s.patient_id},{s.study_id},{part},{int(bool(s.abnormal))}"
            plate = f",{i % 2}" if name == "atlas" else ""
            lines += [f"{image.path.name},{about}{plate}" for image in s.images]
        (folder / "table.csv").write_text("\n".join(lines) + "\n")
        steel = name == "steel"
        means, role = ("hardware", "heads_only") if steel else ("fracture", "train")
        rows.append(f"{name},{name}/table.csv,{means},CC BY 4.0,{role}")
    (work / "sources.csv").write_text("\n".join(rows) + "\n")
    write_json(_recipe(), work / "recipe.json")
    _made(work, "cv", "sources.csv", ("away",))
    _made(work, "alone", "atlas/table.csv", ())
    command = ["crossval", "--recipe", work / "recipe.json", "--folds", 2]
    ulna(*command, work / "atlas/table.csv", "--out", work / "alone")
    options = ["--leave-out", "away", "--by", "plate", "--against", work / "alone"]
    done = ulna(*command, work / "sources.csv", "--out", work / "cv", *options)
    assert "left out" in done.stdout and "by source" in done.stdout
    return work


def _made(work: Path, out: str, data: str, leave_out: tuple[str, ...]) -> None:
    """Write a cross-validation whose folds have their experts already."""
    path = str((work / data).resolve())
    settings = CrossvalSettings(path, _recipe(), 2, 0, leave_out=leave_out)
    CrossvalFolder.open(work / out, settings, None)
    for k in (0, 1):
        write_blob_bundle(work / out / f"fold{k}/bundle")


def _folder(work: Path, *leave_out: str) -> CrossvalFolder:
    path = str((work / "sources.csv").resolve())
    settings = CrossvalSettings(path, _recipe(), 2, 0, leave_out=leave_out)
    return CrossvalFolder(work / "nowhere", settings, work, (0, 1))


def test_no_fold_is_trained_on_a_source_that_is_left_out(work: Path) -> None:
    folder = _folder(work, "away")
    for k in (0, 1):
        learned = {s.source for s in folder.training(k)}
        assert learned == {"atlas", "wrist", "steel", "legs"}
        assert not {s.key for s in folder.training(k)} & {s.key for s in folder.folds[k]}
    assert (
        {s.source for s in folder.labelled}
        == {"atlas", "wrist"}
        == {*source_names(folder.labelled)}
    )
    assert {s.source for s in folder.extra} == {"steel", "legs"}
    assert len(folder.left_out["away"]) == 24
    used = json.loads((work / "cv/split.json").read_text())["train"]
    assert not any("away." in key for key in used)


def test_extra_data_of_one_source_give_no_fold_what_it_holds_out(work: Path) -> None:
    """The ids of its patients have the source's name as prefix in one table, not in the other."""
    folder = _folder(work, "away")
    for name in ("atlas", "wrist"):
        also = replace(folder.settings, also=str(work / name / "table.csv"))
        extra = replace(folder, settings=also)
        with pytest.warns(DatasetWarning, match="in a source that is left out"):
            _ = extra.extra  # its patients have the ids of those of `away`
        for k in (0, 1):
            held = {i.path.resolve() for s in extra.folds[k] for i in s.images}
            trained_on = {i.path.resolve() for s in extra.training(k) for i in s.images}
            assert held and not held & trained_on
    away = replace(folder.settings, also=str(work / "away/table.csv"))
    reported = pytest.warns(DatasetWarning, match="in a source that is left out")
    with reported, pytest.raises(DatasetError, match="24 from a source that is left out"):
        _ = replace(folder, settings=away).extra


def test_sources_left_out_and_others_are_in_one_table(work: Path) -> None:
    scores = json.loads((work / "cv/scores.json").read_text())
    groups = scores["scores"]
    assert groups["all"]["n_studies"] == 60
    assert groups["source: atlas"]["n_studies"] == 36
    assert groups["source: wrist"]["n_studies"] == groups["left out: away"]["n_studies"] == 24
    assert set(groups["left out: away"]) == set(groups["source: atlas"])
    assert groups["plate: 1"]["n_studies"] == 18
    met = scores["sources"]
    assert [met[n]["where"] for n in ("atlas", "away", "wrist")] == [
        "in source", "left out", "in source",
    ]  # fmt: skip
    for one in met.values():
        assert one["refused"]["value"] == 0 and one["body_part_accuracy"]["value"] == 1
        assert 0 <= one["specificity"]["value"] <= 1
    assert (work / "cv/left_out/away/report.html").is_file()


def test_a_source_is_compared_with_its_own_cross_validation(work: Path) -> None:
    """The same experts predict it in both, so a second source changes nothing."""
    result = json.loads((work / "cv/scores.json").read_text())["minus"]["alone"]
    assert result["all"]["n_studies"] == 36
    assert result["all"]["auroc"]["value"] == 0 == result["all"]["auroc"]["low"]
    assert "plate: 1" in result and not any(name.startswith("source") for name in result)


def test_the_folder_is_resumed_and_verified(work: Path) -> None:
    command = ["crossval", work / "sources.csv", "--recipe", work / "recipe.json", "--folds", 2]
    options = ["--by", "plate", "--against", work / "alone"]
    before = (work / "cv/left_out/away/metrics.json").stat().st_mtime_ns
    ulna(*command, "--out", work / "cv", "--leave-out", "away", *options)
    assert (work / "cv/left_out/away/metrics.json").stat().st_mtime_ns == before
    done = ulna(*command, "--out", work / "cv", *options, code=2)
    assert "with other settings" in done.output
    checks = json.loads(ulna("verify", work / "cv", "--json").stdout)["checks"]
    assert not [c for c in checks if c["equal"] is False]
    assert {c["what"]: c["equal"] for c in checks}["numbers of scores.json"] is True


def test_an_unknown_source_is_an_error(work: Path) -> None:
    command = ["crossval", work / "sources.csv", "--recipe", work / "recipe.json"]
    done = ulna(*command, "--out", work / "no", "--leave-out", "mars", code=2)
    assert (
        "no source 'mars' to leave out: expected one of atlas, away, legs, steel, wrist"
        in done.output
    )
    table = ["crossval", work / "atlas/table.csv", "--recipe", work / "recipe.json"]
    done = ulna(*table, "--out", work / "no2", "--leave-out", "mars", code=2)
    assert "a table of sources" in done.output
    # Nothing was begun there, so the corrected command can use the same folder.
    command += ["--out", work / "no", "--leave-out", "steel"]
    assert "none of 6 studies has a label" in ulna(*command, code=3).output


def test_evaluate_and_info_take_a_table_of_sources(work: Path) -> None:
    place = ["--bundle", work / "cv/bundle", "--out", work / "evaluation"]
    done = ulna("evaluate", work / "sources.csv", *place, "--split", "all")
    assert "6 left out" in done.output and "6 without a label: " in done.output
    metrics = json.loads((work / "evaluation/metrics.json").read_text())
    assert metrics["data"]["n_studies"] == 90
    met = metrics["by_source"]
    assert {n: one["n_studies"] for n, one in met.items()} == {
        "atlas": 36, "away": 24, "legs": 6, "wrist": 24,
    }  # fmt: skip
    assert met["away"]["auroc"]["value"] == pytest.approx(
        json.loads((work / "cv/scores.json").read_text())["scores"]["left out: away"]["auroc"][
            "value"
        ]
    )
    assert "by source" in done.output
    info = json.loads((work / "cv/data.json").read_text())
    assert info["kind"] == "sources" and "steel (CC BY 4.0)" in info["name"]


def test_controls_are_scored_with_the_plain_images(work: Path) -> None:
    predictor = Predictor.load(work / "cv/bundle")
    studies = _folder(work).labelled[:16]
    controls = {name: CONTROLS[name] for name in ("plain", "no_letters")}
    result = score_controls(predictor, studies, controls)
    assert result["n_studies"] == 16 and not result["left_out"]
    plain = result["controls"]["plain"]
    assert plain["minus"]["auroc"]["value"] == 0
    assert 0 <= plain["scores"]["auroc"]["value"] <= 1 and plain["refused"] == 0
    images = image_features(read_bundle(work / "cv/bundle"), studies, expert="cnn-0")
    assert images.features.shape == (32, 0)  # these graphs have no output "features"
    assert {*images.source} <= {"atlas", "wrist", "away"}
    with pytest.raises(Exception, match="the bundle has cnn-0"):
        image_features(read_bundle(work / "cv/bundle"), studies, expert="other")
