"""Answers as JSON, rows and pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ulna.cli.answer import (
    COLUMNS,
    Outcome,
    answer_json,
    answer_notes,
    answer_row,
    outcome_json,
    outcome_notes,
    outcome_row,
    worklist,
)
from ulna.cli.pictures import file_name, folder_name, new_name, write_heat_maps
from ulna.errors import ImageError, IncompleteError
from ulna.types import (
    BodyPart,
    Finding,
    FindingCategory,
    ImagePrediction,
    ImageRef,
    Study,
    StudyPrediction,
)


def _prediction(folder: Path) -> StudyPrediction:
    film = folder / "a film.png"
    Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30).astype(np.uint8)).save(film)
    heat = np.zeros((20, 30), np.float32)
    heat[5:10, 5:10] = 4.0
    outline = np.array([[5, 5], [10, 5], [10, 10], [5, 10]], np.float32)
    image = ImagePrediction(
        source=str(film),
        probability=0.75,
        logit=float(np.log(3)),
        bias=-1.0,
        grid=heat[::5, ::5],
        heat_map=heat,
        body_part_probabilities={BodyPart.WRIST: 1.0},
        findings=(Finding((5, 5, 5, 5), score=4.0, outline=outline),),
        finding_probabilities={FindingCategory.FRACTURE: 0.5},
        experts={"cnn": 1.0},
    )
    return StudyPrediction(
        study=Study("p/1", "s 1", None, (ImageRef(film),)),
        body_part=BodyPart.WRIST,
        body_part_given=False,
        probability=0.75,
        abnormal=True,
        threshold=0.5,
        operating_point="balanced",
        body_part_probabilities={BodyPart.WRIST: 1.0},
        images=(image,),
        bundle_hash="ab12",
        experts={"cnn": 0.7},
        skipped=(("b.png", "0 bytes"),),
    )


def test_json_holds_the_answer_and_reads_back(tmp_path: Path) -> None:
    answer = json.loads(json.dumps(answer_json(_prediction(tmp_path), 0.1), allow_nan=False))
    assert answer["abnormal"] is True
    assert answer["body_part"] == "WRIST"
    assert answer["images"][0]["findings"][0]["box"] == [5, 5, 5, 5]
    assert answer["images"][0]["finding_probabilities"] == {"fracture": 0.5}
    assert answer["skipped"] == [{"image": "b.png", "reason": "0 bytes"}]


def test_row_fits_its_columns(tmp_path: Path) -> None:
    row = answer_row(_prediction(tmp_path), 0.1)
    assert len(row) == len(COLUMNS)
    assert row[1:3] == ["WRIST (recognised)", "ABNORMAL"]
    assert row[COLUMNS.index("triage")] == "-"
    sure = replace(_prediction(tmp_path), p_normal=0.02, p_abnormal=0.4)
    assert answer_row(sure, 0.1)[COLUMNS.index("triage")] == "abnormal"
    assert answer_row(sure, 0.01)[COLUMNS.index("triage")] == "refer"
    said = json.loads(json.dumps(answer_json(sure, 0.1)))
    assert (said["triage"], said["p_normal"], said["error_rate"]) == ("abnormal", 0.02, 0.1)


def _named(folder: Path) -> StudyPrediction:
    """Of a bundle whose label is fracture and whose findings are calibrated."""
    plain = _prediction(folder)
    region = replace(plain.images[0].findings[0], category=FindingCategory.HARDWARE)
    stated = {FindingCategory.FRACTURE: 0.5, FindingCategory.HARDWARE: 0.3}
    maps = {c: plain.images[0].heat_map * s for c, s in zip(stated, (0.5, 1.0), strict=True)}
    image = replace(plain.images[0], findings=(region, region), finding_maps=maps)
    return replace(
        plain,
        images=(replace(image, finding_probabilities=stated),),
        finding_probabilities=stated,
        finding_thresholds={FindingCategory.FRACTURE: 0.6, FindingCategory.HARDWARE: 0.2},
        leading_finding=FindingCategory.HARDWARE,
        abnormal_means="fracture",
        p_normal=0.02,
        p_abnormal=0.4,
    )


def test_the_answer_says_which_finding_and_what_its_label_means(tmp_path: Path) -> None:
    said = json.loads(json.dumps(answer_json(_named(tmp_path), 0.1), allow_nan=False))
    assert said["abnormal_means"] == "fracture" and said["leading_finding"] == "hardware"
    assert said["finding_probabilities"] == {"fracture": 0.5, "hardware": 0.3}
    assert said["finding_thresholds"] == {"fracture": 0.6, "hardware": 0.2}
    assert said["called_findings"] == said["images"][0]["called_findings"] == ["hardware"]
    assert said["images"][0]["findings"][0]["category"] == "hardware"
    row = dict(zip(COLUMNS, answer_row(_named(tmp_path), 0.1), strict=True))
    assert (row["answer"], row["triage"]) == ("FRACTURE", "fracture")
    assert (row["finding"], row["regions"]) == ("hardware 0.30", "2: 2 hardware")
    normal = replace(_named(tmp_path), abnormal=False, leading_finding=None, p_normal=0.9)
    row = dict(zip(COLUMNS, answer_row(normal, 0.5), strict=True))
    assert (row["answer"], row["triage"], row["finding"]) == ("no fracture", "no fracture", "-")
    refused = answer_json(replace(_named(tmp_path), refused="no film"), 0.1)
    assert refused["finding_probabilities"] == {} and refused["called_findings"] == []


def test_each_finding_has_a_picture_of_its_own(tmp_path: Path) -> None:
    written = write_heat_maps(_named(tmp_path), tmp_path / "maps", 4.0)
    names = ["1_a_film", "1_a_film.fracture", "1_a_film.hardware"]
    assert [p.name for p in written] == [f"{n}.png" for n in names]
    whole, *kinds = (np.asarray(Image.open(p)) for p in written)
    assert all(k.shape == whole.shape and (k != whole).any() for k in kinds)


def test_worklist_has_the_abnormal_first_and_the_normal_last(tmp_path: Path) -> None:
    plain = _prediction(tmp_path)
    p_values = [(0.5, 0.02), (0.3, 0.4), (0.01, 0.9), (0.9, 0.01), (0.05, 0.3), (0.4, 0.2)]
    answers = [replace(plain, p_normal=n, p_abnormal=a) for n, a in p_values]
    found = [o.answer for o in worklist([Outcome(a.study, a) for a in answers], 0.1)]
    order = [(0.01, 0.9), (0.05, 0.3), (0.3, 0.4), (0.4, 0.2), (0.5, 0.02), (0.9, 0.01)]
    assert [(a.p_normal, a.p_abnormal) for a in found if a] == order


def test_a_study_without_an_answer_has_its_place_in_a_worklist(tmp_path: Path) -> None:
    plain = _prediction(tmp_path)
    sure, fine = (replace(plain, p_normal=n, p_abnormal=a) for n, a in ((0.01, 0.9), (0.9, 0.01)))
    lost = Outcome(plain.study, fault=ImageError("gone"))
    given = [Outcome(fine.study, fine), lost, Outcome(sure.study, sure)]
    assert worklist(given, 0.1) == [given[2], lost, given[0]]


def test_a_study_without_an_answer_has_the_same_keys_and_columns(tmp_path: Path) -> None:
    plain = _prediction(tmp_path)
    lost = Outcome(plain.study, fault=ImageError("gone: expected it there"))
    said, full = outcome_json(lost, 0.1), outcome_json(Outcome(plain.study, plain), 0.1)
    assert list(said) == list(full) and full["error"] is None
    assert said["error"] == "gone: expected it there" and said["probability"] is None
    json.dumps(said, allow_nan=False)
    assert len(outcome_row(lost, 0.1)) == len(COLUMNS) and "NO ANSWER" in outcome_row(lost, 0.1)
    assert outcome_notes(lost) == ["s 1: no answer: gone: expected it there"]


def test_names_fit_any_file_system_and_stay_apart() -> None:
    assert file_name("a b/c") == "a_b_c" and file_name("...") == "study"
    long = [file_name("x" * 300 + end) for end in "ab"]
    assert len(set(long)) == 2 and all(len(n) <= 120 and n.startswith("xxx") for n in long)
    assert file_name("\udcff" * 300)  # bytes of a name that are no UTF-8
    taken: set[str] = set()
    found = [new_name(n, taken) for n in ("a_b", "A_B", "a_b", "a_b_2", "c")]
    assert len({n.lower() for n in found}) == 5 and found[0] == "a_b" and found[-1] == "c"


def test_one_picture_that_cannot_be_written_costs_no_other(tmp_path: Path) -> None:
    plain = _prediction(tmp_path)
    gone = replace(plain.images[0], source=str(tmp_path / "gone.png"))
    folder = tmp_path / "maps"
    (folder / "2_a_film.png").mkdir(parents=True)
    several = replace(plain, images=(plain.images[0], plain.images[0], gone, plain.images[0]))
    with pytest.raises(IncompleteError) as caught:
        write_heat_maps(several, folder, 4.0)
    assert "2_a_film.png" in str(caught.value) and "gone.png" in str(caught.value)
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == [
        "1_a_film.png",
        "4_a_film.png",
    ]


def test_pictures_are_painted_only_where_the_map_is_positive(tmp_path: Path) -> None:
    prediction = _prediction(tmp_path)
    (path,) = write_heat_maps(prediction, tmp_path / "maps" / folder_name(prediction), 4.0)
    assert path.parent.parent == tmp_path / "maps"
    assert " " not in path.name and "/" not in path.parent.name
    picture = np.asarray(Image.open(path)).astype(int)
    assert picture.shape == (20, 30, 3)
    coloured = np.ptp(picture, axis=2) > 0
    assert coloured[6:9, 6:9].all()
    assert not coloured[12:, 12:].any()


def test_a_demonstration_says_so_on_every_picture_and_in_json(tmp_path: Path) -> None:
    plain = _prediction(tmp_path)
    assert answer_json(plain, 0.1)["demonstration"] is False
    marked = replace(plain, demonstration=True)
    assert answer_json(marked, 0.1)["demonstration"] is True
    pictures = []
    for name, answer in (
        ("plain", plain),
        ("marked", marked),
        ("both", replace(marked, map_reliable=False)),
    ):
        (path,) = write_heat_maps(answer, tmp_path / name, 4.0)
        pictures.append(np.asarray(Image.open(path)).astype(int))
    # The strip along the top, black but for its words, is higher where more is to be said.
    blacks = [int((p.sum(axis=2) == 0).sum()) for p in pictures]
    assert blacks[0] < blacks[1] < blacks[2]


def test_a_refused_study_has_a_reason_and_no_answer(tmp_path: Path) -> None:
    whole = _prediction(tmp_path)
    image = replace(whole.images[0], refusal="blank", foreign=3.0)
    refused = replace(whole, refused="blank", images=(image,), flags=("a flag",), p_normal=None)
    data = json.loads(json.dumps(answer_json(refused, 0.1)))
    assert data["refused"] == "blank" and data["flags"] == ["a flag"]
    assert data["abnormal"] is None and data["probability"] is None and data["experts"] == {}
    assert data["triage"] == "refer"
    assert data["images"][0]["refusal"] == "blank" and data["images"][0]["probability"] is None
    row = dict(zip(COLUMNS, answer_row(refused, 0.1), strict=True))
    assert (row["answer"], row["probability"], row["regions"]) == ("refused", "-", "0")
    assert answer_notes(refused) == ["s 1: refused: blank", "s 1: a flag"]
    assert write_heat_maps(refused, tmp_path / "maps", 4.0) == []
    assert answer_json(whole, 0.1)["refused"] is None


def test_experts_that_a_cascade_skipped_are_named(tmp_path: Path) -> None:
    whole = _prediction(tmp_path)
    assert answer_json(whole, 0.1)["skipped_experts"] == [] and answer_notes(whole) == []
    early = replace(whole, experts={"cnn": 0.7}, skipped_experts=("vgg", "dense"))
    found = answer_json(early, 0.1)
    assert (found["skipped_experts"], list(found["experts"])) == (["vgg", "dense"], ["cnn"])
    assert answer_notes(early) == ["s 1: answered by cnn alone; skipped: vgg, dense"]


def test_refused_studies_come_first_of_those_to_be_read(tmp_path: Path) -> None:
    whole = _prediction(tmp_path)
    answers = [
        replace(whole, p_normal=n, p_abnormal=a) for n, a in ((0.01, 0.9), (0.5, 0.6), (0.9, 0.01))
    ]
    found = [Outcome(a.study, a) for a in answers]
    unsure = replace(whole, refused="blank", p_normal=None, p_abnormal=None)
    refused = Outcome(whole.study, unsure)
    assert worklist([*found[::-1], refused], 0.1) == [found[0], refused, *found[1:]]
