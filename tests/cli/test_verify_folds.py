"""`ulna verify` of a cross-validation whose experts were made beforehand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.cli.calls import ulna

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))

from synthetic_studies import make_manifest, write_blob_bundle, write_studies  # noqa: E402

from ulna.cli.crossval_steps import CrossvalFolder, CrossvalSettings  # noqa: E402
from ulna.config.codec import write_json  # noqa: E402


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds of the same experts, answered by `ulna crossval` without any training."""
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
    assert "48 of 48 studies" in str(checks["probabilities and fusion asked again"]["said"])
    assert {"bundle fold0/bundle", "bundle fold1/bundle", "bundle bundle"} <= set(checks)


def test_a_sample_asks_the_experts_alone(work: Path) -> None:
    checks = _checks(work, "--data", work / "table.csv", "--studies", 6)
    assert "6 of 48 studies" in str(checks["experts' probabilities asked again"]["said"])


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
    assert "plate: 1.ece_debiased" in str(checks["numbers of scores.json"]["said"])
    assert checks["scores.json"]["equal"] is False
    file.write_text(before)
