"""A table of sources: labels in one meaning, unknown ones stay unknown, ids never collide."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ulna.datasets import data_kind, index_data, index_table, read_sources
from ulna.datasets.labelled import labelled
from ulna.errors import DatasetError
from ulna.types import FindingCategory, Study

FRACTURE, HARDWARE, LYTIC = (
    FindingCategory.FRACTURE,
    FindingCategory.HARDWARE,
    FindingCategory.LYTIC_LESION,
)
TABLES = {
    "bones": "path,patient_id,study_id,body_part,abnormal,boxes,hardware\n"
    'b0.png,p0,s0,HAND,0,[],0\nb1.png,p1,s1,HAND,1,"[[1, 2, 3, 4]]",1\nb2.png,p2,s2,ELBOW,1,[],\n',
    "implants": "path,patient_id,study_id,body_part,abnormal,findings,boxes\n"
    'i0.png,p0,s0,SHOULDER,1,hardware,"[[1, 2, 3, 4]]"\n',
    "any": "path,patient_id,study_id,body_part,abnormal,findings\n"
    "a0.png,p0,s0,HAND,0,\na1.png,p1,s1,HAND,1,\na2.png,p2,s2,HAND,1,lytic_lesion\n"
    "a3.png,p3,s3,HAND,1,fracture\n",
}
ROWS = {
    "bones": "bones,bones.csv,fracture,CC BY 4.0,train",
    "implants": "implants,implants.csv,hardware,CC BY 4.0,heads_only",
    "any": "any,any.csv,abnormal,own,train",
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for name, text in TABLES.items():
        (tmp_path / f"{name}.csv").write_text(text)
        for line in text.splitlines()[1:]:
            Image.new("L", (8, 8)).save(tmp_path / line.split(",")[0])
    return tmp_path


def _write(work: Path, *rows: str, extra: str = "") -> Path:
    table = work / "sources.csv"
    table.write_text(f"source,table,label_means,licence,role{extra}\n" + "\n".join(rows) + "\n")
    return table


def _message(studies: list[Study], *findings: FindingCategory) -> list[tuple[bool | None, ...]]:
    return [(s.abnormal, *(s.shows(f) for f in findings)) for s in studies]


def test_labels_are_translated_by_what_they_mean(work: Path) -> None:
    table = _write(work, ROWS["bones"], ROWS["implants"], ROWS["any"])
    studies = index_data(table)
    assert data_kind(table) == "sources"
    assert _message(studies, FRACTURE, HARDWARE, LYTIC) == [
        (False, False, False, None),
        (True, True, True, None),
        (True, True, None, None),
        (None, None, True, None),  # a prosthesis: whether there is a fracture is unknown
        (False, False, False, False),
        (None, None, None, None),  # abnormal, and nobody says how
        (False, False, False, True),
        (True, True, False, False),
    ]


def test_what_abnormal_means_is_that_of_the_first_source_that_trains(work: Path) -> None:
    studies = index_data(_write(work, ROWS["any"], ROWS["bones"], ROWS["implants"]))
    assert _message(studies)[:4] == [(False,), (True,), (True,), (True,)]
    # A fracture is an abnormality; no fracture is not yet none.
    assert _message(studies)[4:] == [(None,), (True,), (True,), (None,)]


def test_ids_and_sources(work: Path) -> None:
    studies = index_data(
        _write(work, ROWS["bones"] + ",", ROWS["implants"] + ",4", extra=",weight")
    )
    keys = [s.key for s in studies]
    assert keys[0] == "HAND/bones.p0/bones.s0" and keys[3] == "SHOULDER/implants.p0/implants.s0"
    assert len(set(keys)) == 4 and len({s.patient_id for s in studies}) == 4
    assert [(s.source, s.weight) for s in studies] == [("bones", 1.0)] * 3 + [("implants", 4.0)]
    alone = index_table(work / "bones.csv")
    assert all(s.source == "" and s.unknown == frozenset() for s in alone)


def test_places_are_of_what_the_bundle_is_to_answer(work: Path) -> None:
    studies = index_data(_write(work, ROWS["bones"], ROWS["implants"]))
    assert [len(s.images[0].findings) for s in studies] == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("role", "label", "known", "split"),
    [
        ("train", True, True, ""),
        ("heads_only", None, True, ""),
        ("unlabelled", None, None, ""),
        ("test", True, True, "test"),
    ],
)
def test_roles(work: Path, role: str, label: bool | None, known: bool | None, split: str) -> None:
    row = f"bones,bones.csv,fracture,CC BY 4.0,{role}"
    study = index_data(_write(work, row, ROWS["any"]))[1]
    # The other source trains, so that the bundle's answer may mean any abnormality.
    assert (study.abnormal, study.shows(FRACTURE), study.split) == (label, known, split)


def test_studies_that_teach_heads_alone_are_kept_for_training(work: Path) -> None:
    studies = index_data(_write(work, ROWS["bones"], ROWS["implants"]))
    assert len(labelled(studies, "training", heads=True)) == 4
    with pytest.warns(match="1 without a label: SHOULDER/implants.p0"):
        assert len(labelled(studies, "evaluation")) == 3


def test_a_column_of_another_name_may_hold_a_finding(work: Path) -> None:
    text = TABLES["implants"].replace("boxes\n", "metal\n").replace('"[[1, 2, 3, 4]]"', "0")
    (work / "implants.csv").write_text(text.replace(",hardware,", ",,"))
    row = "implants,implants.csv,fracture,CC BY 4.0,train,hardware=metal"
    (study,) = index_data(_write(work, row, extra=",finding_columns"))
    assert study.shows(HARDWARE) is False and study.shows(FRACTURE) is True
    with pytest.raises(DatasetError, match="has no column 'steel': expected one of"):
        index_data(_write(work, row.replace("metal", "steel"), extra=",finding_columns"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("b.d,bones.csv,fracture,x,train", "line 2: source 'b.d': expected 1 to 64 letters"),
        ("b,bones.csv,broken,x,train", "label_means 'broken': expected abnormal or one of"),
        ("b,bones.csv,fracture,x,teach", "role 'teach': expected one of train, heads_only"),
        ("b,,fracture,x,train", "table is empty"),
        ("b,nothing.csv,fracture,x,train", "expected a table of radiographs"),
        ("b,bones.csv,fracture,x,unlabelled", "no source has the role train or test"),
        ("b,bones.csv,fracture,x,train\nB,any.csv,fracture,x,train", "source 'b' occurs twice"),
        (
            "b,bones.csv,fracture,x,train\nc,bones.csv,fracture,x,train",
            "an image of 'b' and of 'c'",
        ),
        ("b,sources.csv,fracture,x,train", "expected a table of radiographs"),
    ],
)
def test_what_is_wrong_is_said(work: Path, row: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        index_data(_write(work, row))
    with pytest.raises(DatasetError, match="weight '-1': expected a number above 0"):
        index_data(_write(work, ROWS["bones"] + ",-1", extra=",weight"))


def test_the_tables_at_hand(real_data: Path, tmp_path: Path) -> None:
    """A prosthesis is no fracture, and no statement on one."""
    rows = [
        f"{n},{real_data / n}/table.csv,{means},CC BY 4.0,{role}"
        for n, means, role in (
            ("fracatlas", "fracture", "train"),
            ("mendeley_wrist", "fracture", "train"),
            ("uci_shoulder", "hardware", "heads_only"),
        )
    ]
    table = _write(tmp_path, *rows)
    assert read_sources(table).answer == FRACTURE
    studies = index_data(table)
    shoulders = [s for s in studies if s.source == "uci_shoulder"]
    assert len(shoulders) == 597
    assert {(s.abnormal, s.shows(FRACTURE), s.shows(HARDWARE)) for s in shoulders} == {
        (None, None, True)
    }
    atlas = [s for s in studies if s.source == "fracatlas"]
    assert (
        sum(bool(s.abnormal) for s in atlas) == sum(bool(s.shows(FRACTURE)) for s in atlas) == 259
    )
    assert sum(bool(s.shows(HARDWARE)) for s in atlas) == 12
