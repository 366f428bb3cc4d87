"""`ulna verify` of a cross-validation whose experts were written beforehand."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.calls import ulna

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))

from synthetic_studies import make_manifest, write_blob_bundle, write_studies  # noqa: E402

from ulna.config.codec import write_json  # noqa: E402
from ulna.config.recipe import InitialWeights  # noqa: E402
from ulna.datasets import index_data  # noqa: E402
from ulna.errors import DatasetWarning  # noqa: E402
from ulna.experiments.crossval_steps import CrossvalFolder, CrossvalSettings  # noqa: E402
from ulna.experiments.fold_starts import warn_of_leakage  # noqa: E402
from ulna.training.fingerprint import fingerprint_studies  # noqa: E402


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds with the same experts, predicted by `ulna crossval` without training."""
    work = tmp_path_factory.mktemp("folds")
    lines = ["path,patient_id,study_id,body_part,abnormal,plate"]
    for n, s in enumerate(write_studies(work, 48)):
        about = f"{s.patient_id},{s.study_id},{s.body_part},{int(bool(s.abnormal))},{n % 2}"
        lines += [f"{i.path.name},{about}" for i in s.images]
    table = work / "table.csv"
    table.write_text("\n".join(lines) + "\n")
    recipe = make_manifest().recipe
    write_json(recipe, work / "recipe.json")
    CrossvalFolder.open(work / "cv", CrossvalSettings(str(table.resolve()), recipe, 2, 0), None)
    for k in (0, 1):
        write_blob_bundle(work / f"cv/fold{k}/bundle")
    command = ["crossval", table, "--recipe", work / "recipe.json", "--folds", 2]
    done = ulna(*command, "--out", work / "cv", "--by", "plate")
    assert "ECE" in done.stdout and "Brier" in done.stdout
    return work


def _again(work: Path, *options: object, code: int = 0) -> str:
    """Return the output of the same command, run again."""
    command = ["crossval", work / "table.csv", "--recipe", work / "recipe.json", "--folds", 2]
    return str(ulna(*command, "--out", work / "cv", *options, code=code).output)


def _checks(work: Path, *options: object, code: int = 0) -> dict[str, dict[str, object]]:
    done = ulna("verify", work / "cv", "--json", *options, code=code)
    return {c["what"]: c for c in json.loads(done.stdout)["checks"]}


def test_scores_have_calibration(work: Path) -> None:
    scores = json.loads((work / "cv/scores.json").read_text())["scores"]["all"]
    for name in ("brier", "ece", "ece_debiased"):
        assert 0 <= scores[name]["low"] <= scores[name]["high"] <= 1


def test_untouched_is_equal_to_the_fusion(work: Path) -> None:
    checks = _checks(work, "--data", work / "table.csv")
    assert {c["equal"] for c in checks.values()} == {True}
    assert "48 of 48 studies" in str(checks["probabilities and fusion predicted again"]["message"])
    assert {"bundle fold0/bundle", "bundle fold1/bundle", "bundle bundle"} <= set(checks)


def test_a_sample_is_predicted_again_by_the_experts_of_the_folds(work: Path) -> None:
    checks = _checks(work, "--data", work / "table.csv", "--studies", 6)
    assert "6 of 48 studies" in str(checks["experts' probabilities predicted again"]["message"])


def test_groups_of_the_table_need_the_data(work: Path) -> None:
    checks = _checks(work)
    assert checks["scores.json by plate"]["equal"] is None
    assert checks["numbers of scores.json"]["equal"] is True


def test_an_altered_score_is_found(work: Path) -> None:
    file = work / "cv/scores.json"
    before = file.read_text()
    scores = json.loads(before)
    scores["scores"]["plate: 1"]["ece_debiased"]["value"] += 0.01
    file.write_text(json.dumps(scores))
    checks = _checks(work, "--data", work / "table.csv", "--studies", 0, code=9)
    assert "plate: 1.ece_debiased" in str(checks["numbers of scores.json"]["message"])
    assert checks["scores.json"]["equal"] is False
    file.write_text(before)


def test_missing_predictions_fail_only_their_own_checks(work: Path) -> None:
    file = work / "cv/evaluation/predictions.csv"
    kept = file.rename(file.with_name("kept.csv"))
    checks = _checks(work, code=9)
    for name in ("numbers of scores.json", "numbers of evaluation/metrics.json"):
        assert checks[name]["equal"] is False
        assert "no such file" in str(checks[name]["message"])
    assert checks["bundle bundle"]["equal"] is True
    kept.rename(file)


def test_a_receipt_without_its_settings_is_no_defect_of_ulna(work: Path) -> None:
    file = work / "cv/receipt.json"
    before = file.read_text()
    receipt = json.loads(before)
    receipt["method"] = {}
    file.write_text(json.dumps(receipt))
    checks = _checks(work, "--data", work / "table.csv", code=9)
    assert checks["numbers of scores.json"]["equal"] is False
    assert "operating_point" in str(checks["probabilities predicted again"]["message"])
    file.write_text(before)


def test_a_study_that_cannot_be_read_any_more_differs(work: Path) -> None:
    kept = {f: f.read_bytes() for f in work.glob("study3_*.png")}
    assert len(kept) == 2
    for image in kept:
        image.write_bytes(b"no image")
    checks = _checks(work, "--data", work / "table.csv", code=9)
    for image, content in kept.items():
        image.write_bytes(content)
    message = str(checks["probabilities and fusion predicted again"]["message"])
    assert "/study3 by inf" in message


def test_other_data_in_the_same_folder_are_refused(work: Path) -> None:
    """The folds would differ, so finished experts would predict their training studies."""
    table = work / "table.csv"
    text = table.read_text()
    lines = text.splitlines()
    relabelled = [*lines[:-2], *(view.replace(",1,", ",0,") for view in lines[-2:])]
    assert relabelled != lines
    for changed in (lines[:-2], relabelled):
        table.write_text("\n".join(changed) + "\n")
        message = _again(work, code=2)
        table.write_text(text)
        assert "give another --out" in message
    assert "AUROC" in _again(work, "--by", "plate")


def test_methods_of_one_name_are_all_compared(work: Path) -> None:
    for name in ("one", "other"):
        shutil.copytree(work / "cv/evaluation", work / name / "cv/evaluation")
    options = [o for n in ("one", "other") for o in ("--against", work / n / "cv")]
    _again(work, "--by", "plate", *options)
    scores = json.loads((work / "cv/scores.json").read_text())
    assert set(scores["minus"]) == {str(work / n / "cv") for n in ("one", "other")}
    assert _checks(work, "--data", work / "table.csv", "--studies", 0)
    _again(work, "--by", "plate")


def test_a_start_from_a_run_on_the_same_studies_is_reported(work: Path) -> None:
    studies = index_data(work / "table.csv")
    run = work / "run"
    run.mkdir()
    keys = [s.key for s in studies]
    write_json({"train": keys[:40], "tune": [], "calibration": keys[40:]}, run / "split.json")
    write_json(fingerprint_studies(studies, "table", "table.csv"), run / "data.json")
    recipe = make_manifest().recipe
    started = replace(recipe.experts[0], initial=InitialWeights("run", str(run)))
    changed = replace(recipe, experts=(started, *recipe.experts[1:]))
    settings = CrossvalSettings(str((work / "table.csv").resolve()), changed, 2, 0)
    folder = CrossvalFolder.open(work / "seen", settings, None)
    with pytest.warns(DatasetWarning, match="trained on 40 of the 48 studies"):
        warn_of_leakage(changed, studies, folder.labelled)
    warn_of_leakage(recipe, studies, folder.labelled)  # warnings are errors here


def test_an_unknown_column_is_refused_before_any_training(work: Path) -> None:
    command = ["crossval", work / "table.csv", "--recipe", work / "recipe.json", "--folds", 2]
    message = ulna(*command, "--out", work / "new", "--by", "metal", code=2).output
    assert "column 'metal'" in message
    assert not (work / "new/fold0").exists()
