"""Tables, valid and invalid."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from mura_tree import write_png

from ulna.datasets import index_table
from ulna.errors import DatasetError, DatasetWarning, SplitError
from ulna.types import BodyPart, FindingCategory, Laterality

HEAD = "path,patient_id,study_id,body_part,abnormal"
REAL = Path("../shared/data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abc":
        write_png(tmp_path / f"{name}.png")
    return tmp_path


def write(folder: Path, *lines: str) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_rows_of_one_study_become_its_images(folder: Path) -> None:
    table = write(folder, HEAD, "a.png,p,s,WRIST,1", "b.png,p,s,wrist,true", "c.png,p,t,,")
    first, second = index_table(table)
    assert [i.path for i in first.images] == [folder / "a.png", folder / "b.png"]
    assert first.abnormal is True and first.body_part is BodyPart.WRIST and not first.split
    assert second.abnormal is None and second.body_part is None and second.categories is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("0", False), ("True", True), ("FALSE", False), ("", None), (" 1 ", True)],
)
def test_labels(folder: Path, text: str, value: bool | None) -> None:
    assert index_table(write(folder, HEAD, f"a.png,p,s,WRIST,{text}"))[0].abnormal is value


def test_optional_columns(folder: Path) -> None:
    table = write(
        folder,
        f"{HEAD},split,view,laterality,findings,boxes,mask,comment",
        'a.png,p,s,ELBOW,1,train,AP,l,fracture,"[[1, 2, 3, 4.5]]",b.png,"a, b"',
        "c.png,q,t,ELBOW,0,test,,Right,,[],,",
    )
    first, second = index_table(table)
    image = first.images[0]
    assert (first.split, image.view, image.laterality) == ("train", "AP", Laterality.LEFT)
    assert image.findings[0].box == (1.0, 2.0, 3.0, 4.5)
    assert image.findings[0].category is FindingCategory.FRACTURE
    assert image.mask == folder / "b.png"
    assert first.categories == {FindingCategory.FRACTURE}
    assert second.categories == frozenset() and second.images[0].findings == ()
    assert second.images[0].laterality is Laterality.RIGHT


def test_boxes_with_their_own_category(folder: Path) -> None:
    boxes = '"[{""box"": [0, 0, 2, 2], ""category"": ""hardware""}, [1, 1, 2, 2]]"'
    table = write(folder, f"{HEAD},findings,boxes", f"a.png,p,s,HAND,1,fracture;hardware,{boxes}")
    (study,) = index_table(table)
    assert study.categories == {FindingCategory.FRACTURE, FindingCategory.HARDWARE}
    assert [f.category for f in study.images[0].findings] == [FindingCategory.HARDWARE, None]


def test_abnormal_study_without_named_findings_is_not_known_to_have_none(folder: Path) -> None:
    assert index_table(write(folder, f"{HEAD},findings", "a.png,p,s,HAND,1,"))[0].categories is None


def test_one_study_id_with_two_body_parts_is_two_studies(folder: Path) -> None:
    table = write(folder, HEAD, "a.png,p,s,WRIST,1", "b.png,p,s,ELBOW,0")
    assert [s.key for s in index_table(table)] == ["WRIST/p/s", "ELBOW/p/s"]


def test_byte_order_mark_crlf_spaces_and_absolute_paths(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "deep" / "table.csv"
    table.parent.mkdir()
    text = f"{HEAD.replace(',', ' , ')}\r\n{folder / 'a.png'},p,s,WRIST,1\r\n"
    table.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert index_table(table)[0].images[0].path == folder / "a.png"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        ([HEAD], "has no rows"),
        (["path,patient_id,abnormal", "a.png,p,1"], "columns study_id, body_part are missing"),
        ([HEAD + ",path", "a.png,p,s,WRIST,1,b.png"], "columns path occur twice"),
        (
            [HEAD, "a.png,p,s,WRIST,1", "b.png,p,t,KNEEE,1"],
            r"(?s)1 rows.*line 3: unknown body part",
        ),
        ([HEAD, "a.png,p,s,WRIST,maybe"], "line 2: abnormal 'maybe'"),
        ([HEAD, "a.png,,s,WRIST,1"], "line 2: patient_id is empty"),
        ([HEAD, ",p,s,WRIST,1"], "line 2: path is empty"),
        ([HEAD, "a.png,p,s,WRIST,1,9"], r"(?s)do not have 5 values.*line 2"),
        ([HEAD, "a.png,p,s,WRIST"], r"(?s)do not have 5 values.*line 2"),
        (
            [HEAD, "a.png,p,s,WRIST,1", "x.png,p,t,WRIST,1"],
            r"(?s)1 files are missing.*line 3.*x\.png",
        ),
        ([HEAD, "a.png,p,s,WRIST,1", "a.png,p,s,WRIST,1"], r"(?s)1 paths occur twice.*line 3.*2"),
        ([HEAD, "a.png,p,s,WRIST,1", "b.png,p,s,WRIST,0"], r"lines 2 and 3.*abnormal True and Fal"),
        ([HEAD, "a.png,p,s,WRIST,1", "b.png,q,s,WRIST,1"], "lines 2 and 3: .*patients 'p' and 'q'"),
        ([HEAD + ",split", "a.png,p,s,WRIST,1,dev"], "line 2: split 'dev'"),
        ([HEAD + ",laterality", "a.png,p,s,WRIST,1,up"], "line 2: laterality 'UP'"),
        ([HEAD + ",findings", "a.png,p,s,WRIST,1,cold"], "line 2: unknown finding 'cold'"),
        ([HEAD + ",mask", "a.png,p,s,WRIST,1,m.png"], r"(?s)files are missing.*line 2.*m\.png"),
    ],
)
def test_what_does_not_fit_is_an_error_with_its_line(
    folder: Path, lines: list[str], message: str
) -> None:
    table = write(folder, *lines)
    with pytest.raises(DatasetError, match=message) as info:
        index_table(table)
    assert "table.csv" in str(info.value)


@pytest.mark.parametrize(
    "boxes",
    ["[[1,2,3]]", "[1,2,3,4]", "{}", "[[1,2,0,4]]", "[[1,2,3,NaN]]", "[[true,1,2,3]]", "["]
    + [f"[[1{'0' * n},2,3,4]]" for n in (400, 5000)]  # fits no float; is no number for Python
    + ["[" * 5000 + "]" * 5000],
    ids=lambda text: text[:16],
)
def test_boxes_that_make_no_sense(folder: Path, boxes: str) -> None:
    table = write(folder, f"{HEAD},boxes", f'a.png,p,s,WRIST,1,"{boxes}"')
    with pytest.raises(DatasetError, match="line 2: box"):
        index_table(table)


def test_patient_in_two_splits(folder: Path) -> None:
    table = write(folder, HEAD + ",split", "a.png,p,s,WRIST,1,train", "b.png,p,t,WRIST,1,test")
    with pytest.raises(SplitError, match="p: 'train' on line 2, 'test' on line 3"):
        index_table(table)


def test_all_bad_rows_are_counted_and_ten_are_shown(folder: Path) -> None:
    rows = [f"a.png,p,s{i},LIMB,1" for i in range(14)]
    with pytest.raises(DatasetError, match=r"(?s)14 rows.*line 11.*and 4 more") as info:
        index_table(write(folder, HEAD, *rows))
    assert "line 12" not in str(info.value)


def test_missing_table_and_other_encodings(folder: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        index_table(folder / "nothing.csv")
    table = folder / "latin.csv"
    table.write_bytes(f"{HEAD}\na.png,Jos\xe9,s,WRIST,1\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="UTF-8"):
        index_table(table)


def test_quoted_line_ends_stay_in_their_cell(folder: Path) -> None:
    table = write(folder, HEAD + ",note", 'a.png,p,s,WRIST,1,"two\nlines"', "b.png,q,t,WRIST,7,")
    with pytest.raises(DatasetError, match="line 4: abnormal '7'"):
        index_table(table)


def test_fracatlas_works_as_it_is() -> None:
    if not (REAL / "fracatlas/table.csv").is_file():
        pytest.skip("real data ../shared/data/fracatlas is not on this machine")
    studies = index_table(REAL / "fracatlas/table.csv")
    assert len(studies) == 926 and sum(bool(s.abnormal) for s in studies) == 259
    boxed = [s for s in studies if s.images[0].findings]
    assert boxed and all(s.abnormal for s in boxed)
    with pytest.warns(DatasetWarning, match="31 of 31 rows are not of the upper extremity"):
        assert {s.body_part for s in index_table(REAL / "fracatlas/other.csv")} == {None}


def test_grazpedwri_works_as_it_is() -> None:
    if not (REAL / "grazpedwri/table.csv").is_file():
        pytest.skip("real data ../shared/data/grazpedwri is not on this machine")
    studies = index_table(REAL / "grazpedwri/table.csv")
    assert len(studies) == 7 and {s.body_part for s in studies} == {BodyPart.WRIST}
    assert all(s.images[0].laterality is not Laterality.UNKNOWN for s in studies)


def test_other_regions_are_read_as_unknown_with_a_warning(folder: Path) -> None:
    table = write(folder, HEAD, "a.png,p,1,LEG,1", "b.png,q,2,leg,0", "c.png,r,3,WRIST,0")
    with pytest.warns(DatasetWarning, match="2 of 3 rows are not of the upper extremity .LEG 2."):
        studies = index_table(table)
    assert [s.body_part for s in studies] == [None, None, BodyPart.WRIST]
    assert [s.abnormal for s in studies] == [True, False, False]


@pytest.mark.parametrize("other", ["sub/../a.png", "link.png", "sub/../link.png"])
def test_one_image_under_two_names_is_not_two_images(folder: Path, other: str) -> None:
    """The same pixels would stand on both sides of a split."""
    (folder / "sub").mkdir()
    (folder / "link.png").symlink_to("a.png")
    table = write(folder, HEAD, "a.png,p,s,WRIST,1", f"{other},q,t,WRIST,0")
    with pytest.raises(DatasetError, match=r"(?s)1 paths occur twice.*line 3.*first on line 2"):
        index_table(table)


def test_a_name_too_long_for_the_system_is_a_file_that_is_not_there(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"(?s)1 files are missing.*line 2"):
        index_table(write(folder, HEAD, f"{'a' * 5000}.png,p,s,WRIST,1"))


def test_a_quote_left_open_names_its_line(folder: Path) -> None:
    with pytest.raises(DatasetError, match="line 3: not CSV"):
        index_table(write(folder, HEAD, "a.png,p,s,WRIST,1", 'b.png,"q,t,WRIST,1'))


def test_slashes_that_make_two_studies_look_alike(folder: Path) -> None:
    table = write(folder, HEAD, "a.png,p,1/x,WRIST,1", "b.png,p/1,x,WRIST,0")
    with pytest.raises(DatasetError, match=r"(?s)remove the slash.*WRIST/p/1/x"):
        index_table(table)
    assert len(index_table(write(folder, HEAD, "a.png,p/1,x,WRIST,1"))) == 1


@pytest.mark.parametrize(
    "cells",
    ["0,fracture,[]", '0,,"[[1, 2, 3, 4]]"', '0,fracture,"[[1, 2, 3, 4]]"', "0,,[]", "1,fracture,"],
)
def test_a_normal_image_with_findings_is_reported(folder: Path, cells: str) -> None:
    table = write(folder, f"{HEAD},findings,boxes", f"a.png,p,s,WRIST,{cells}")
    with warnings.catch_warnings(record=True) as reported:
        warnings.simplefilter("always")
        index_table(table)
    odd = cells not in ("0,,[]", "1,fracture,")
    assert ["line 2: a.png" in str(w.message) for w in reported] == [True] * odd
