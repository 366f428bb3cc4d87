"""A study, image or mask that fails does not affect others, and is counted with its reason."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.evaluation.synthetic_studies import write_studies

from ulna.attribution.examination.measures import read_images
from ulna.bundle import ModelBundle
from ulna.calibration.cross_fit import cross_fit, run_fold
from ulna.errors import DatasetWarning, ImageWarning
from ulna.evaluation.collect import collect_rows
from ulna.evaluation.pipeline import write_each
from ulna.evaluation.truth import warn_of_unusable_masks
from ulna.evaluation.unanswered import fault_kind, no_answer, reasons, reasons_json, reasons_text
from ulna.report.gallery import draw_pair
from ulna.robustness.stress import answers as stress_answers
from ulna.robustness.stress.answers import NotStressed, answer_stressed
from ulna.robustness.stress.views import leave_one_view_out
from ulna.runtime import Predictor
from ulna.types import BodyPart, ImageRef, Study

POINT = "specificity_0.90"


@pytest.fixture
def predictor(blob_bundle: ModelBundle) -> Predictor:
    return Predictor.load(blob_bundle.path)


@pytest.fixture
def studies(tmp_path: Path) -> list[Study]:
    return write_studies(tmp_path, 36)


def _with_bad(studies: list[Study], folder: Path) -> tuple[list[Study], dict[str, str]]:
    """An image cut short, one that is gone, two masks of no use; why, by study key."""
    text, small = folder / "text.png", folder / "tiny.png"
    text.write_text("nothing")
    Image.fromarray(np.ones((4, 4), np.uint8)).save(small)
    bad = [
        replace(studies[1], study_id="image", images=(ImageRef(text),)),
        replace(studies[1], study_id="gone", images=(ImageRef(folder / "gone.png"),)),
        _masked(studies[1], "unread", text),
        _masked(studies[1], "size", small),
    ]
    why = ("expected a PNG", "no such file", "unreadable", "its image has")
    mixed = [bad[0], *studies[:10], bad[1], bad[2], *studies[10:], bad[3]]
    return mixed, {s.key: w for s, w in zip(bad, why, strict=True)}


def _masked(study: Study, name: str, mask: Path) -> Study:
    images = tuple(replace(i, mask=mask) for i in study.images)
    return replace(study, study_id=name, images=images)


def test_rows_of_the_others_are_the_same(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    mixed, why = _with_bad(studies, tmp_path)
    result, _ = collect_rows(predictor, mixed, POINT)
    wanted, _ = collect_rows(predictor, studies, POINT)
    assert [r for r in result if r.key not in why] == wanted
    bad = {r.key: r for r in result if r.key in why}
    for key, message in why.items():
        row = bad[key]
        errors = [i.mask_error for i in row.images] or [row.fault]
        assert all(message in e for e in errors) and not any(i.location for i in row.images)


def test_out_of_fold_rows_of_the_others_are_the_same(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    """A mask of no use, found after hours of training, costs its image the score of its map."""
    mixed, why = _with_bad(studies, tmp_path)
    images = {k for k in why if k.endswith(("image", "gone"))}
    rows = {}
    for name, given in (("with", mixed), ("without", [s for s in mixed if s.key not in images])):
        outputs, faults = run_fold(predictor, given)
        assert {r.key for r in faults} == (images if name == "with" else set())
        folds = [[o for o in outputs if int(o.study.patient_id[1:]) % 2 == k] for k in range(2)]
        rows[name] = cross_fit([predictor] * 2, folds, POINT)
    assert rows["with"] == rows["without"]
    bad = [i for r in rows["with"] if r.key in why for i in r.images]
    assert len(bad) == 4 and all(i.mask_error and i.location is None for i in bad)


def test_masks_of_no_use_are_warned_of_before_any_work(
    studies: list[Study], tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unusable_masks(studies)
    mixed, _ = _with_bad(studies, tmp_path)
    with pytest.warns(DatasetWarning, match=r"4 of 40 masks cannot be used.*text\.png"):
        warn_of_unusable_masks(mixed)


def test_an_image_is_shown_though_its_mask_cannot_be_read(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    mixed, why = _with_bad(studies, tmp_path)
    rows, _ = collect_rows(predictor, mixed, POINT)
    image = next(r for r in rows if r.key.endswith("unread")).images[0]
    own = next(r for r in rows if r.key == studies[1].key).images[0]
    radiograph, overlay = draw_pair(image, True, 5.0)
    same, outlined = draw_pair(own, True, 5.0)
    assert (radiograph == same).all() and (overlay != outlined).any()


def test_an_examination_leaves_out_the_image_alone(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("nothing")
    study = studies[1]
    bad = replace(study.images[0], mask=tmp_path / "text.png")
    with pytest.warns(ImageWarning, match=r"not examined: .*text\.png: mask of"):
        result = read_images(predictor, replace(study, images=(bad, study.images[1])), 0)
    (_, wanted) = read_images(predictor, study, 0)
    assert len(result) == 1 and (result[0].maps["map"] == wanted.maps["map"]).all()


def test_images_that_vanish_under_stress_cost_no_other(
    predictor: Predictor, studies: list[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    some, lost = studies[:4], studies[4]
    rows, _ = collect_rows(predictor, [*some, lost], POINT)
    for ref in lost.images:
        ref.path.unlink()
    monkeypatch.setattr(stress_answers, "conditions", lambda: [("noise", 1)][:0])
    with pytest.warns(NotStressed, match=f"{lost.key} not stressed: none of its radiographs"):
        result = answer_stressed(predictor, [lost, *some], POINT, 0)
    wanted = answer_stressed(predictor, some, POINT, 0)
    assert result.studies == wanted.studies and result.n_images == wanted.n_images
    assert result.clean.probability.tolist() == wanted.clean.probability.tolist()
    with pytest.warns(NotStressed, match=f"no view of {lost.key} left out"):
        left_out = leave_one_view_out(predictor, [*some, lost], rows, POINT)
    assert left_out == leave_one_view_out(predictor, some, rows[:4], POINT)


def _study(name: str, *images: str) -> Study:
    return Study("p", name, BodyPart.WRIST, tuple(ImageRef(Path(f)) for f in images))


def test_like_faults_are_counted_together_and_named() -> None:
    given = []
    for k in range(9):
        study = _study(f"s{k}", f"dir {k}/a.png")
        message = f"study {study.key}: no readable radiograph: dir {k}/a.png: cut short ({k} bytes)"
        given.append((study.key, message, fault_kind(message, study)))
    other = _study("odd", "b.png")
    given.insert(3, (other.key, "body part HAND", fault_kind("body part HAND", other)))
    first, second = reasons(given)
    assert (first.n, second.n) == (9, 1) and first.text == given[0][1]
    assert first.names == tuple(f"WRIST/p/s{k}" for k in range(5))
    message = reasons_text("10 of 20 studies have no answer", reasons_json([first, second]))
    lines = message.splitlines()
    assert lines[0].endswith(":") and len(lines) == 3
    assert "  9: study WRIST/p/s0: " in lines[1] and lines[1].endswith("WRIST/p/s4, 4 more")
    assert reasons_text("none", []) == ""


def test_views_that_fail_alike_are_one_kind() -> None:
    studies = [_study("s", "a.png", "b.png"), _study("t", "c.png")]
    kinds = set()
    for study in studies:
        images = "; ".join(f"{i.path}: empty" for i in study.images)
        kinds.add(fault_kind(f"study {study.key}: no readable radiograph: {images}", study))
    assert kinds == {"empty"}


def test_rows_are_counted_by_reason(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    mixed, _ = _with_bad(studies, tmp_path)
    rows, _ = collect_rows(predictor, mixed, POINT)
    assert sorted((r.n, r.names) for r in no_answer(rows)) == [
        (1, (next(s.key for s in mixed if s.study_id == name),)) for name in ("gone", "image")
    ]


def test_every_writer_is_called_and_the_first_fault_is_reported() -> None:
    written: list[int] = []

    def writer(number: int) -> Callable[[], None]:
        def write() -> None:
            if number % 2:
                raise IsADirectoryError(21, "Is a directory", f"file{number}")
            written.append(number)

        return write

    with pytest.raises(IsADirectoryError) as caught:
        write_each(*map(writer, range(5)))
    assert written == [0, 2, 4] and caught.value.filename == "file1"
