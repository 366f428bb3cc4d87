"""`ulna crossval`: scores, the bundle of all folds, resumption, comparison on the same folds."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.calls import phantoms_and_recipe, ulna

pytestmark = pytest.mark.slow
# a fifth of the 60 phantoms is held out by the data set itself
STUDIES = 48


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms, a recipe of one tiny expert, and its cross-validation in two processes."""
    work = tmp_path_factory.mktemp("crossval")
    phantoms_and_recipe(work)
    ulna(*_command(work, "cv"), "--jobs", 2)
    return work


def _command(work: Path, out: str) -> list[object]:
    recipe = work / "tiny.json"
    return ["crossval", work / "phantoms", "--recipe", recipe, "--folds", 3, "--out", work / out]


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open() as handle:
        return list(csv.DictReader(handle))


def test_every_study_is_predicted_by_experts_trained_without_it(work: Path) -> None:
    rows = _rows(work / "cv/evaluation/predictions.csv")
    fold = {r["study"]: r["split"] for r in rows}
    assert len(fold) == STUDIES and set(fold.values()) == {"fold0", "fold1", "fold2"}
    for k in range(3):
        used = json.loads((work / f"cv/fold{k}/split.json").read_text())
        held = {s for s, f in fold.items() if f == f"fold{k}"}
        assert not held & set(used["train"])
        assert len(used["train"]) == STUDIES - len(held)
        patients = {r["patient"] for r in rows if r["study"] in held}
        assert not patients & {s.split("/")[1] for s in used["train"]}


def test_scores_name_regions(work: Path) -> None:
    scores = json.loads((work / "cv/scores.json").read_text())["scores"]
    assert scores["all"]["n_studies"] == STUDIES
    assert "region: elbow, forearm" in scores
    assert 0 <= scores["all"]["auroc"]["low"] <= scores["all"]["auroc"]["high"] <= 1


def test_the_bundle_of_all_folds_predicts(work: Path) -> None:
    image = next((work / "phantoms").rglob("XR_ELBOW/*/*/image1.png"))
    done = ulna("predict", image, "--bundle", work / "cv/bundle", "--json")
    answer = json.loads(done.stdout)[0]
    assert 0 <= answer["probability"] <= 1
    manifest = json.loads((work / "cv/bundle/manifest.json").read_text())
    assert [e["name"] for e in manifest["experts"]] == ["cnn-0", "cnn-1", "cnn-2"]
    assert manifest["fusion"]["n_calibration_studies"] == STUDIES


def test_a_killed_cross_validation_resumes_to_the_same_predictions(work: Path) -> None:
    again = work / "again"
    shutil.copytree(work / "cv", again)
    shutil.rmtree(again / "fold1")
    shutil.rmtree(again / "evaluation")
    kept = (again / "fold0/experts/cnn/weights.safetensors").stat().st_mtime_ns
    ulna(*_command(work, "again"))
    assert (again / "fold0/experts/cnn/weights.safetensors").stat().st_mtime_ns == kept
    first = _rows(work / "cv/evaluation/predictions.csv")
    second = _rows(again / "evaluation/predictions.csv")
    for one, other in zip(first, second, strict=True):
        assert one["study"] == other["study"] and one["split"] == other["split"]
        p, q = float(one["study_probability"]), float(other["study_probability"])
        assert p == pytest.approx(
            q, abs=2e-3
        )  # one process or two: sums are computed in another order


def _process_that_writes(file: Path, parent: subprocess.Popen[str]) -> int:
    """Wait for a process that has `file` open, and return it."""
    while parent.poll() is None:
        result = (link for link in Path("/proc").glob("[0-9]*/fd/*") if _leads_to(link, file))
        if link := next(result, None):
            return int(link.parts[2])
        time.sleep(0.01)
    raise AssertionError(parent.communicate())


def _leads_to(link: Path, file: Path) -> bool:
    try:
        return link.readlink() == file.resolve()
    except OSError:
        return False


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="no /proc: which process trains is unknown"
)
def test_a_fold_killed_for_memory_leaves_the_others_and_is_no_defect(work: Path) -> None:
    """The process is killed as by a kernel that is out of memory."""
    shutil.copytree(work / "cv", work / "killed")
    for name in ("fold1", "fold2", "evaluation"):
        shutil.rmtree(work / "killed" / name)
    command = [sys.executable, "-m", "ulna", *map(str, _command(work, "killed")), "--jobs", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=work
    )
    os.kill(_process_that_writes(work / "killed/fold1/train.log", process), signal.SIGKILL)
    _, message = process.communicate(timeout=240)
    assert process.returncode == 1, message
    assert "fold 1" in message and "out of memory" in message and "fewer --jobs" in message
    assert (
        "defect" not in message
        and "Traceback" not in message
        and "BrokenProcessPool" not in message
    )
    assert (work / "killed/fold2/bundle/manifest.json").is_file()
    assert not (work / "killed/fold1/bundle").exists()  # trained when the command is run again


def test_an_unreadable_mask_or_image_affects_only_its_own_study(work: Path) -> None:
    """The files are damaged after training; the folds are predicted again from copies."""
    out = work / "unread"
    shutil.copytree(work / "cv", out)
    shutil.rmtree(out / "evaluation")
    before = _rows(work / "cv/evaluation/predictions.csv")
    image = Path(next(r["image"] for r in before if r["abnormal"] == "0"))
    mask = next(p for p in (work / "phantoms/masks/train").rglob("*.png"))
    whole = {p: p.read_bytes() for p in (image, mask)}
    try:
        for path in whole:
            path.write_bytes(whole[path][:60])  # starts like a PNG
        done = ulna(*_command(work, "unread"), code=10)
    finally:
        for path, data in whole.items():
            path.write_bytes(data)
    assert "1 masks could not be used" in done.stderr and mask.name in done.stderr
    alone = len([r for r in before if Path(r["image"]).parent == image.parent]) == 1
    reported = "1 of 48 studies have no answer" if alone else "1 images of answered studies"
    assert reported in done.stderr
    assert "masks cannot be used: the maps" in done.stderr.split("predict: ")[0]
    after = {(r["study"], r["image"]): r for r in _rows(out / "evaluation/predictions.csv")}
    assert {r["study"] for r in before} == {study for study, _ in after}
    result = json.loads((out / "evaluation/metrics.json").read_text())
    assert sum(r["n"] for r in result["no_place"]) == 1
    again = ulna(*_command(work, "unread"), "--json", code=10)
    assert json.loads(again.stdout)["scores"]["all"]["n_studies"] == STUDIES - alone


def test_predictions_of_an_earlier_version_are_repeated(work: Path) -> None:
    old = work / "old"
    shutil.copytree(work / "cv", old)
    table = old / "evaluation/predictions.csv"
    rows = _rows(table)
    with table.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, [c for c in rows[0] if c != "refusal"])
        writer.writeheader()
        writer.writerows({k: v for k, v in r.items() if k != "refusal"} for r in rows)
    metrics = json.loads((old / "evaluation/metrics.json").read_text())
    del metrics["body_parts"]
    (old / "evaluation/metrics.json").write_text(json.dumps(metrics))
    ulna(*_command(work, "old"))
    assert _rows(table) == rows
    assert ulna("verify", old, "--json").exit_code == 0


def test_metrics_of_an_earlier_version_are_recomputed(work: Path) -> None:
    """Regression: with a current table, the receipt failed with a missing key."""
    old = work / "earlier"
    shutil.copytree(work / "cv", old)
    file = old / "evaluation/metrics.json"
    metrics = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in metrics.items() if k != "arithmetic"}))
    ulna(*_command(work, "earlier"))
    assert json.loads(file.read_text())["arithmetic"] == metrics["arithmetic"]


def test_differences_are_paired_and_zero_from_itself(work: Path) -> None:
    done = ulna(*_command(work, "cv"), "--against", work / "cv", "--json")
    minus = json.loads(done.stdout)["minus"]["cv"]["all"]
    assert minus["auroc"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_method_with_some_of_the_folds_is_compared_on_those(work: Path) -> None:
    rows = _rows(work / "cv/evaluation/predictions.csv")
    for name, folds in (("two", ("fold0", "fold2")), ("one", ("fold0",))):
        kept = [r for r in rows if r["split"] in folds]
        with (work / f"{name}.csv").open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(kept)
    done = ulna(*_command(work, "cv"), "--against", work / "two.csv", "--json")
    minus = json.loads(done.stdout)["minus"]["two.csv"]["all"]
    assert minus["n_studies"] == len({r["study"] for r in rows if r["split"] != "fold1"})
    assert minus["auroc"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    refused = ulna(*_command(work, "cv"), "--against", work / "one.csv", code=3)
    assert "answers of one fold" in refused.output


def test_errors_say_what_to_do(work: Path) -> None:
    other = ulna(*_command(work, "cv"), "--set", "seed=7", code=2)
    assert "cross-validation with other settings" in other.output
    missing = ulna(*_command(work, "cv"), "--against", work / "phantoms", code=2)
    assert "no predictions.csv" in missing.output


def test_evaluating_on_the_folds_own_data_is_refused(work: Path) -> None:
    bundle, out = work / "cv/bundle", work / "own"
    done = ulna("evaluate", work / "phantoms", "--bundle", bundle, "--out", out, "--split", "all")
    assert f"{STUDIES} of 60 studies were used to train" in done.output


def test_some_folds_first_are_those_of_the_whole(work: Path) -> None:
    part = work / "part"
    shutil.copytree(work / "cv", part)
    shutil.rmtree(part / "fold1")
    command = [*_command(work, "part"), "--only", 0, "--only", 2]
    done = ulna(*command, "--against", work / "cv", "--json")
    minus = json.loads(done.stdout)["minus"]["cv"]["all"]
    assert minus["auroc"]["value"] == pytest.approx(0, abs=0.05)  # fusion from one fold, not two
    result = {r["study"]: r["split"] for r in _rows(part / "evaluation/predictions.csv")}
    whole = {r["study"]: r["split"] for r in _rows(work / "cv/evaluation/predictions.csv")}
    assert result == {s: f for s, f in whole.items() if f != "fold1"}
    shutil.copytree(work / "cv/fold1", part / "fold1")
    ulna(*_command(work, "part"))
    first, second = (_rows(work / d / "evaluation/predictions.csv") for d in ("cv", "part"))
    assert [r["study_probability"] for r in first] == [r["study_probability"] for r in second]
    for folds in (["--only", 1], ["--only", 1, "--only", 3]):
        refused = ulna(*_command(work, "part"), *folds, code=2)
        assert "expected at least two of 0 to 2" in refused.output


def test_extra_studies_train_every_fold_that_does_not_hold_out_their_patients(work: Path) -> None:
    ulna("phantom", work / "more", "--studies", 30, "--seed", 5, "--size", 96)
    table = work / "beside.csv"
    lines = [r for r in _rows(work / "cv/evaluation/predictions.csv") if r["split"] == "fold0"]
    shared, image = lines[0]["patient"], lines[0]["image"]
    new = sorted((work / "more/train").rglob("image1.png"))[:9]
    rows = [f"{p},beside{i},s{i},{i % 2},LEG" for i, p in enumerate(new)]
    rows.append(f"{next((work / 'phantoms').rglob(Path(image).name))},{shared},other,1,LEG")
    table.write_text("path,patient_id,study_id,abnormal,body_part\n" + "\n".join(rows) + "\n")
    out = work / "beside"
    share = ["--set", "experts.cnn.unknown_part_share=0.25"]
    ulna(*_command(work, "beside"), "--also", table, *share, "--only", 0, "--only", 1)
    for k, expected in ((0, 9), (1, 10)):
        used = json.loads((out / f"fold{k}/split.json").read_text())["train"]
        assert sum("UNKNOWN" in s for s in used) == expected
    answered = {r["study"] for r in _rows(out / "evaluation/predictions.csv")}
    assert not any("UNKNOWN" in s for s in answered)
    data = json.loads((out / "data.json").read_text())
    assert data["n_studies"] == STUDIES + 10
    own = work / "phantoms"
    refused = ulna(*_command(work, "refused"), "--also", own, code=3)
    assert f"{STUDIES} of them with the patient and study" in refused.output


def test_a_fold_starts_from_the_same_fold_of_another_cross_validation(work: Path) -> None:
    """Initial weights trained on held-out images would inflate the out-of-fold scores."""
    other = _command(work, "from-folds")
    ulna(*other, "--initial", f"run:{work / 'cv'}", "--set", "experts.*.epochs=1")
    for k in range(3):
        recipe = json.loads((work / f"from-folds/fold{k}/recipe.json").read_text())
        starts = {e["initial"]["path"] for e in recipe["experts"]}
        assert starts == {str(work / f"cv/fold{k}")}
    again = ["--initial", f"run:{work / 'cv'}", "--fold-seed", 5]
    message = ulna(*_command(work, "shuffled"), *again, code=2).output
    assert "that fold 0 holds out" in message and "on the same folds" in message


def test_a_missing_fold_cannot_give_initial_weights(work: Path) -> None:
    other = work / "two-folds"
    for name in ("crossval.json", "fold0", "fold1"):
        copy = shutil.copytree if (work / "cv" / name).is_dir() else shutil.copy
        other.mkdir(exist_ok=True)
        copy(work / "cv" / name, other / name)
    message = ulna(*_command(work, "third"), "--initial", f"run:{other}", code=2).output
    assert "two-folds, which has no fold 2" in message and "--only" in message
