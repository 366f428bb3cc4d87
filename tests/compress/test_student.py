"""The gate of a student: its figures and its teacher's, and which of them are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.synthetic_studies import (
    blob_graph,
    make_manifest,
    write_blob_bundle,
    write_studies,
)

from ulna.bundle import (
    Distilled,
    ModelBundle,
    StudentParity,
    read_bundle,
    replace_fusion,
    replace_parity,
    write_bundle,
)
from ulna.bundle.distilled import distilled_lines
from ulna.compress import student as student_module
from ulna.compress.student import bundle_bytes, compare_student, map_agreement
from ulna.errors import BundleError, ConfigError, UlnaWarning
from ulna.metrics import auroc
from ulna.runtime import Predictor
from ulna.types import Study

FIGURES = StudentParity(
    "images", 100, 90, (0.93, 0.92), (-0.01, -0.02, 0.0), (0.97, 0.9, 1.0), 0.8, None, (0.9, 0.1),
    "onnxruntime:fp32", 8_000_000,
)  # fmt: skip


@pytest.fixture
def studies(tmp_path: Path) -> list[Study]:
    return write_studies(tmp_path, 24)


def test_the_gate_is_exact() -> None:
    assert FIGURES.accepted and FIGURES.faster == pytest.approx(9)
    for worse, message in (
        (replace(FIGURES, difference=(-0.0101, -0.02, 0.0)), "at most 0.010 below"),
        (replace(FIGURES, size=8_000_001), "expected at most 8"),
    ):
        assert not worse.accepted and len(worse.refusals) == 1 and message in worse.refusals[0]
    with pytest.raises(BundleError, match="finite"):
        replace(FIGURES, difference=(float("nan"), 0.0, 0.0))


def test_a_student_that_is_its_teacher(blob_bundle: ModelBundle, studies: list[Study]) -> None:
    one = Predictor.load(blob_bundle.path)
    result = compare_student(one, Predictor.load(blob_bundle.path), studies, "images")
    assert result.difference == (0, 0, 0) and result.agreement == (1, 1, 1)
    assert result.maps == pytest.approx(1) and result.pointing is not None
    assert result.pointing[0] == result.pointing[1]
    assert result.n_studies == 24 and result.n_patients == 8
    assert result.size == bundle_bytes(blob_bundle.path) and result.accepted
    assert 0.2 < result.faster < 5


def test_both_are_first_in_turn_and_missing_answers_are_warned_of(
    blob_bundle: ModelBundle, studies: list[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Report: the teacher always read an image from disk and the student from memory, and studies
    that one of them could not answer were left out without a warning."""
    requested: list[str] = []
    timed = student_module._timed

    def noted(predictor: Predictor, study: Study) -> student_module.Timed:
        requested.append("teacher" if predictor is teacher else "student")
        return timed(predictor, study)

    monkeypatch.setattr(student_module, "_timed", noted)
    teacher, student = Predictor.load(blob_bundle.path), Predictor.load(blob_bundle.path)
    for image in studies[3].images:
        image.path.write_bytes(b"")
    with pytest.warns(UlnaWarning) as caught:
        result = student_module.side_by_side(teacher, student, studies[:6])
    assert requested[0] == "teacher" and requested[2:4] == ["student", "teacher"]
    assert len(result.seconds) == len(result.teacher) == 5
    assert any("1 without an answer of student or teacher" in str(w.message) for w in caught)


def test_a_student_that_sees_less_is_refused(
    blob_bundle: ModelBundle, studies: list[Study], tmp_path: Path
) -> None:
    """Blind to all but the brightest: reference AUROCs by the predictions themselves."""
    graph = blob_graph(3.0)
    blind = write_bundle(make_manifest(), {"cnn": graph, "tiny": graph}, tmp_path / "blind")
    teacher, student = Predictor.load(blob_bundle.path), Predictor.load(blind.path)
    result = compare_student(teacher, student, studies, "images")
    truth = [bool(s.abnormal) for s in studies]
    expected = [
        auroc(truth, [p.predict(s).probability for s in studies]) for p in (teacher, student)
    ]
    assert result.auroc == pytest.approx(expected)
    assert result.difference[0] == pytest.approx(expected[1] - expected[0])
    assert result.difference[1] <= result.difference[0] <= result.difference[2]
    assert not result.accepted


def test_studies_that_determine_no_auroc_are_an_error(
    blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    one = Predictor.load(blob_bundle.path)
    for few in (studies[:12], [replace(s, abnormal=True) for s in studies]):
        with pytest.raises(ConfigError, match="of both classes"):
            compare_student(one, one, few, "images")


def test_maps_are_compared_on_the_coarser_grid(
    blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    from ulna.evaluation.collect import collect_rows

    rows, _ = collect_rows(Predictor.load(blob_bundle.path), studies[:4], "specificity_0.90")
    finer = [
        replace(
            r, images=tuple(replace(i, grid=np.kron(i.grid, np.ones((3, 3)))) for i in r.images)
        )
        for r in rows
    ]
    assert map_agreement(rows, finer) == pytest.approx(1)
    assert map_agreement([], []) is None


def test_the_manifest_keeps_the_figures_until_another_calibration(tmp_path: Path) -> None:
    plain = write_blob_bundle(tmp_path / "plain")
    with pytest.raises(BundleError, match="no student"):
        replace_parity(plain, FIGURES)
    whose = Distilled("a" * 64, "hybrid", "onnxruntime:fp32")
    manifest = replace(make_manifest(), distilled=whose)
    bundle = write_bundle(
        manifest, {"cnn": blob_graph(1.0), "tiny": blob_graph(2.0)}, tmp_path / "s"
    )
    replace_parity(bundle, FIGURES)
    result = read_bundle(tmp_path / "s")
    assert result.manifest.distilled == replace(whose, parity=FIGURES)
    lines = "\n".join(distilled_lines(result.manifest.distilled))
    assert (
        "student of hybrid (aaaaaaaaaaaa): passed the acceptance test" in lines
        and "9.0 times" in lines
    )
    replace_fusion(result, result.manifest.fusion, {})
    assert read_bundle(tmp_path / "s").manifest.distilled == whose
    assert distilled_lines(whose) == ("student of hybrid (aaaaaaaaaaaa): not compared with it",)
