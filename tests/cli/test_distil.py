"""`ulna distil`: a small network taught by a bundle, its acceptance test and its bundle."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.calls import ulna
from tests.runtime.analytic_bundle import FITTED, write_analytic

from ulna.bundle import StudentParity, distilled, read_bundle
from ulna.config.codec import read_json, to_json
from ulna.datasets import index_data
from ulna.datasets.unlabelled import without_labels
from ulna.errors import DatasetError, DatasetWarning
from ulna.runtime import Predictor
from ulna.training.teacher import collect

SMALL = (
    "--recipe", "student", "--set", "experts.student.encoder=cnn", "--set", "input_spec.size=64",
    "--set", "experts.student.epochs=1", "--set", "experts.student.batch_size=8",
    "--set", "precision=32-true",
)  # fmt: skip
SPLIT = 'fractions={"train":0.4,"tune":0,"calibration":0.3,"test":0.3}'


def write_table(folder: Path, n: int = 72, first: int = 0) -> Path:
    """Images of two body parts; abnormal ones hold a bright spot."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["path,patient_id,study_id,body_part,abnormal"]
    for i in range(first, first + n):
        pixels = np.random.default_rng(i).normal(90, 12, (60, 60))
        pixels[:, 20:30] += 60 if i % 2 else 20
        if i % 4 >= 2:
            pixels[24:34, 20:30] += 90
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,p{i},s{i},{('ELBOW', 'WRIST')[i % 2]},{int(i % 4 >= 2)}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder / "table.csv"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, a teacher, and a student that is kept whatever its acceptance test."""
    work = tmp_path_factory.mktemp("distil")
    write_table(work / "data")
    write_table(work / "beside", 8, first=500)
    write_analytic(work / "teacher", fusion=FITTED)
    return work


def _distil(work: Path, out: str, *more: object, code: int = 0) -> str:
    given = (work / "teacher", work / "data/table.csv", *SMALL, "--set", SPLIT)
    return ulna("distil", *given, "--out", work / out, *more, code=code).output


@pytest.mark.slow
def test_a_student_predicts_without_its_teacher_and_names_it(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = _distil(work, "student", "--also", work / "beside/table.csv", "--accept")
    assert "but kept" in message or "accepted" in message
    folder = work / "student/bundle"
    manifest = read_bundle(folder).manifest
    teacher = read_bundle(work / "teacher")
    assert manifest.distilled is not None and manifest.distilled.teacher == teacher.hash
    assert manifest.body_parts == teacher.manifest.body_parts
    assert manifest.categories == teacher.manifest.categories
    parity = manifest.distilled.parity
    split = json.loads((work / "student/split.json").read_text())
    assert parity is not None and parity.n_studies == len(split["test"])
    # Measured before its own figures are written into the manifest.
    size = sum(f.stat().st_size for f in folder.iterdir())
    assert parity.size == pytest.approx(size, abs=2000) and size < distilled.MOST_BYTES
    assert manifest.fusion.calibrated and manifest.experts[0].weights == "float16"
    assert manifest.demonstration  # as its teacher, which was trained on phantoms
    answer = Predictor.load(folder).predict(index_data(work / "data/table.csv")[0])
    assert 0 < answer.probability < 1
    assert f"student of analytic ({teacher.hash[:12]})" in ulna("info", folder).output
    # The acceptance test, and the same command again: nothing is computed twice.
    monkeypatch.setattr(distilled, "AUROC_BELOW", -2.0)
    monkeypatch.setattr(collect, "_write_answers", None)
    log = (work / "student/experts/student/log.csv").stat().st_mtime_ns
    message = _distil(work, "student", "--also", work / "beside/table.csv", code=5)
    assert "student refused, left in" in message and "--accept" in message
    assert (work / "student/experts/student/log.csv").stat().st_mtime_ns == log
    assert (work / "student/refused/manifest.json").is_file()
    assert read_bundle(folder).manifest == manifest
    message = _distil(work, "student", "--also", work / "beside/table.csv", "--accept")
    assert (
        "REFUSED by the acceptance test, but kept" in message
        and not (work / "student/refused").exists()
    )
    # Other extra images, or another teacher, make another student.
    assert "give another --out" in _distil(work, "student", code=2)


@pytest.mark.slow
def test_students_on_folds_prove_one_on_all_images(work: Path) -> None:
    data, folds = work / "data/table.csv", work / "cv"
    other = ("--set", "distillation={}", "--set", 'body_parts=["ELBOW","WRIST"]')
    ulna("crossval", data, *SMALL, *other, "--folds", 2, "--out", folds)
    command = ("distil", "--folds", folds, *SMALL, "--out", work / "students")
    message = ulna(*command, "--only", 1).output
    assert "fold 1 is trained" in message and not (work / "students/evaluation").exists()
    message = ulna(*command).output
    assert "out of 2 folds" in message and "minus cv, paired" in message
    own, theirs = (_rows(work / name) for name in ("students", "cv"))
    assert {k: r["split"] for k, r in own.items()} == {k: r["split"] for k, r in theirs.items()}
    for k in range(2):
        split = json.loads((work / f"students/fold{k}/split.json").read_text())
        assert not set(split["train"]) & {key for key, r in own.items() if r["split"] == f"fold{k}"}
    parity = read_json(StudentParity, work / "students/parity.json")
    scores = json.loads((work / "students/scores.json").read_text())["minus"]["cv"]["all"]["auroc"]
    assert parity.difference == pytest.approx([scores[k] for k in ("value", "low", "high")])
    # A student on all images, with the calibration and the figures of the folds.
    given = (folds / "bundle", data, *SMALL, "--proof", work / "students", "--out", work / "whole")
    ulna("distil", *given, "--accept")
    manifest = read_bundle(work / "whole/bundle").manifest
    assert manifest.split["train"] == 72 and manifest.fusion.calibrated
    assert manifest.distilled is not None and manifest.distilled.parity is not None
    assert manifest.distilled.parity.difference == parity.difference
    assert manifest.distilled.parity.images == "out of 2 folds, students"
    # Regression: they were accepted as proof for any teacher of the same body parts.
    stranger = (work / "teacher", *given[1:-1], work / "other")
    assert "expected the bundle of the same folds" in ulna("distil", *stranger, code=2).output
    message = ulna("distil", *given, "--set", "seed=3", code=2).output
    assert "students of another recipe (they differ in seed)" in message


def _rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "evaluation/predictions.csv").open() as handle:
        return {r["study"]: r for r in csv.DictReader(handle)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("--set", "distillation={}"), "learns nothing from a teacher"),
        (("--set", "experts.student.fit_heads=true"), "heads fitted to labels forget it"),
        (("--set", 'fractions={"train":0.9,"tune":0,"calibration":0.1}'), "--gate"),
        (("--gate", "table.csv"), "are of the data that the student learns from"),
        (("--proof", "nowhere"), "no crossval.json"),
        (("--folds", "cv"), "their own bundles"),
        (("--only", "1"), "expected BUNDLE and DATA"),
    ],
)
def test_bad_input_is_refused_before_any_work(
    work: Path, changes: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    given = (work / "teacher", work / "data/table.csv", *SMALL, "--set", SPLIT)
    named = [work / "data" / w if w == "table.csv" else w for w in changes]
    assert message in ulna("distil", *given, "--out", tmp_path / "o", *named, code=2).output
    # Nothing was begun, so the same folder can be used with other settings.
    assert not [f for f in tmp_path.rglob("*") if f.is_file()]


def test_images_without_labels_have_the_teachers_answers_as_only_target(
    work: Path, tmp_path: Path
) -> None:
    """Their labels are not used, and none of them is in the acceptance test."""
    data = index_data(work / "data/table.csv")
    other = index_data(work / "beside/table.csv")
    with pytest.warns(DatasetWarning, match="3 of files that the labelled data hold"):
        result = without_labels([[*other, *data[:3]]], data)
    assert len(result) == len(other) and len({s.key for s in result}) == len(result)
    for study in result:
        assert study.abnormal is None and study.body_part is None and study.categories is None
        assert all(not i.findings and i.mask is None for i in study.images)
    copies = index_data(write_table(tmp_path / "copies", 4))  # the same patients, other files
    with pytest.warns(DatasetWarning), pytest.raises(DatasetError, match="none of 4"):
        without_labels([copies], data)
    phantoms = [replace(s, simulated=True) for s in copies]
    assert len(without_labels([phantoms], data)) == 4
    assert to_json(without_labels([], data)) == []
