"""Tables as other programs write them: read alike, or refused by name. Laws of issue 15, item 8."""

from __future__ import annotations

import json
import unicodedata
import warnings
from pathlib import Path

import pytest
from mura_tree import write_png
from PIL import Image

from ulna.datasets import index_data, index_table
from ulna.datasets.table import read_columns
from ulna.errors import DatasetError, DatasetWarning
from ulna.types import BodyPart, Study

HEAD = ["path", "patient_id", "study_id", "body_part", "abnormal"]
ROWS = [["a.png", "p", "s", "WRIST", "1"], ["b.png", "q", "t", "ELBOW", "0"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abc":
        write_png(tmp_path / f"{name}.png")  # 4 x 4 px
    return tmp_path


def write(folder: Path, lines: list[list[str]], mark: str = ",", name: str = "t.csv") -> Path:
    (folder / name).write_text("\n".join(mark.join(row) for row in lines) + "\n", "utf-8")
    return folder / name


def of_row(folder: Path, *cells: str, extra: str = "") -> Study:
    head = [*HEAD, *extra.split()]
    quoted = ['"' + c.replace('"', '""') + '"' for c in cells]
    return index_table(write(folder, [head, quoted]))[0]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "T.TSV"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_every_mark_between_values_gives_the_same_studies(
    folder: Path, mark: str, name: str
) -> None:
    expected = index_table(write(folder, [HEAD, *ROWS]))
    assert index_data(write(folder, [HEAD, *ROWS], mark, name)) == expected
    assert list(read_columns(folder / name)) == [s.images[0].path for s in expected]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_excels_line_above_the_columns(folder: Path, mark: str) -> None:
    table = write(folder, [[f"sep={mark}"], HEAD, *ROWS], mark)
    assert len(index_table(table)) == 2
    write(folder, [[f"sep={mark}"], HEAD, ["a.png", "p", "s", "WRIST", "7"]], mark)
    with pytest.raises(DatasetError, match="line 3: abnormal '7'"):
        index_table(table)


def test_utf_16_as_excel_writes_unicode_text(folder: Path) -> None:
    table = folder / "t.tsv"
    table.write_bytes("\n".join("\t".join(r) for r in [HEAD, *ROWS]).encode("utf-16"))
    assert [s.abnormal for s in index_data(table)] == [True, False]


def test_a_mark_that_is_none_of_them_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"missing among path:pat.*commas, semicolons or tabs"):
        index_table(write(folder, [HEAD, *ROWS], ":"))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("disk", ["NFC", "NFD"])
def test_names_in_either_normal_form_are_found(folder: Path, form: str, disk: str) -> None:
    place = folder / unicodedata.normalize(disk, "Müller/é à.png")
    place.parent.mkdir()
    write_png(place)
    named = unicodedata.normalize(form, "Müller/é à.png")
    table = write(folder, [HEAD, [named, "p", "s", "WRIST", "1"]])
    (study,) = index_table(table)
    assert study.images[0].path == place and list(read_columns(table)) == [place]


def test_backslashes_in_paths_and_masks_are_slashes(folder: Path) -> None:
    (folder / "sub").mkdir()
    write_png(folder / "sub/x.png")
    study = of_row(folder, "sub\\x.png", "p", "s", "WRIST", "1", "sub\\..\\a.png", extra="mask")
    assert study.images[0].path == folder / "sub/x.png"
    assert study.images[0].mask == folder / "sub/../a.png"
    write_png(folder / "odd\\name.png")  # a name may hold one where the system lets it
    assert of_row(folder, "odd\\name.png", "p", "s", "", "").images[0].path.name == "odd\\name.png"


def test_one_image_by_two_spellings_is_still_one_image(folder: Path) -> None:
    (folder / "sub").mkdir()
    write_png(folder / "sub/x.png")
    rows = [[name, "p", "s", "WRIST", "1"] for name in ("sub/x.png", "sub\\x.png")]
    with pytest.raises(DatasetError, match="1 paths occur twice"):
        index_table(write(folder, [HEAD, *rows]))


@pytest.mark.parametrize("blank", [",,,,", "", " , ,,,"])
def test_empty_rows_are_left_out_with_one_note(folder: Path, blank: str) -> None:
    lines = [",".join(HEAD), ",".join(ROWS[0]), blank, blank, ",".join(ROWS[1])]
    (folder / "t.csv").write_text("\n".join(lines) + "\n\n\n")
    with pytest.warns(DatasetWarning, match="2 rows hold no value and are left out") as reported:
        assert len(index_table(folder / "t.csv")) == 2
    assert len(reported) == 1


def test_empty_rows_do_not_move_the_line_numbers(folder: Path) -> None:
    lines = ["", ",".join(HEAD), ",,,,", "a.png,p,s,WRIST,7"]
    (folder / "t.csv").write_text("\n".join(lines))
    with pytest.raises(DatasetError, match="line 4: abnormal '7'"):
        index_table(folder / "t.csv")


def test_surplus_cells_without_a_value_are_no_fault(folder: Path) -> None:
    lines = [[*HEAD, "", ""], [*ROWS[0], "", ""], [*ROWS[1], "", "", "", ""]]
    assert len(index_table(write(folder, lines))) == 2


WORDS = {
    True: "1|1.0|1.00|1,0|true|TRUE|t|yes|Y|Positive|pos|Abnormal|+1| positive ",
    False: "0|0.0|0,0|False|f|no|N|negative|NEG|Normal",
    None: "|nan|NaN|NA|n/a|null",
}


@pytest.mark.parametrize(
    ("text", "label"), [(t, label) for label, texts in WORDS.items() for t in texts.split("|")]
)
def test_label_words(folder: Path, text: str, label: bool | None) -> None:
    assert of_row(folder, "a.png", "p", "s", "WRIST", text).abnormal is label


@pytest.mark.parametrize("text", ["2", "-1", "maybe", "0.5", "none", "fracture", "inf", "x" * 500])
def test_other_label_words_are_refused_with_their_line(folder: Path, text: str) -> None:
    with pytest.raises(DatasetError, match=r"line 2: abnormal .*positive or negative") as info:
        of_row(folder, "a.png", "p", "s", "WRIST", text)
    assert len(str(info.value)) < 500


@pytest.mark.parametrize(
    ("text", "part"),
    [("L WRIST", BodyPart.WRIST), ("Hands", BodyPart.HAND), ("xr_elbow", BodyPart.ELBOW)],
)
def test_body_parts_as_people_write_them(folder: Path, text: str, part: BodyPart) -> None:
    assert of_row(folder, "a.png", "p", "s", text, "1").body_part is part


def test_another_region_is_a_note_and_stands_beside_the_answer(folder: Path) -> None:
    with pytest.warns(DatasetWarning, match=r"1 of 1 rows .*LEFT KNEE 1"):
        study = of_row(folder, "a.png", "p", "s", "left knee", "1")
    assert study.body_part is None and "the table names LEFT KNEE" in study.remarks[0]


@pytest.mark.parametrize("text", ["arm", "hand wrist", "wirst"])
def test_a_body_part_that_is_not_one_is_refused(folder: Path, text: str) -> None:
    with pytest.raises(DatasetError, match="line 2: unknown body part"):
        of_row(folder, "a.png", "p", "s", text, "1")


def boxes_of(folder: Path, boxes: object, form: str) -> list[tuple[float, ...]]:
    text = boxes if isinstance(boxes, str) else json.dumps(boxes)
    study = of_row(
        folder, "a.png", "p", "s", "WRIST", "1", text, form, extra="boxes box_format"
    )  # fmt: skip
    return [f.box for f in study.images[0].findings]


@pytest.mark.parametrize(
    "boxes",
    [[[0.5, 0.25, 0.5, 0.25]], [[3, 0.5, 0.25, 0.5, 0.25]], "3 0.5 0.25 0.5 0.25",
     [{"box": [0.5, 0.25, 0.5, 0.25], "category": "fracture"}]],
)  # fmt: skip
def test_shares_of_the_image_become_its_pixels(folder: Path, boxes: object) -> None:
    Image.linear_gradient("L").resize((40, 80)).save(folder / "a.png")
    (box,) = boxes_of(folder, boxes, "YOLO")
    assert box == pytest.approx((0.25 * 40, 0.125 * 80, 0.5 * 40, 0.25 * 80))


def test_a_yolo_label_file_in_a_cell(folder: Path) -> None:
    assert len(boxes_of(folder, "0 0.5 0.5 0.1 0.1\n1 0.2 0.2 0.1 0.1", "yolo")) == 2


def test_corners(folder: Path) -> None:
    assert boxes_of(folder, [[10, 20, 40, 80]], "xyxy") == [(10, 20, 30, 60)]
    assert boxes_of(folder, [[10, 20, 40, 80]], "") == [(10, 20, 40, 80)]


@pytest.mark.parametrize(
    ("boxes", "form", "message"),
    [
        (
            [[0.5, 0.5, 0.1, 0.2]],
            "",
            "shares of the image: write yolo in a column box_format",
        ),
        ([[0, 0, 1, 1]], "", "shares of the image"),
        ([[0.1, 0.1, 0.9, 0.9]], "xyxy", "shares of the image"),
        ([[0, 0.5, 0.5, 0.1, 0.2]], "", "a class and four shares"),
        ([[40, 5, 60, 2, 30, 1, 20, 4]], "", "not 8 numbers; write a point"),
        ([["40,5", 60, 30, 20]], "", "expected .x, y, width, height. in pixels"),
        ("40,5;60,2;30,1;20,4", "", "not JSON"),
        ([[0.5, 0.5, 40, 20]], "yolo", "from 0 to 1"),
        ([[0.5, 0.5, 0.1, 0]], "yolo", "from 0 to 1"),
        ([[0.7, 0.5, 0.5, 0.1, 0.2]], "yolo", "from 0 to 1"),
        ([[40, 80, 10, 20]], "xyxy", "right and bottom the larger"),
        ([[1, 2, 3, 4]], "coco", "box_format 'coco': expected one of"),
    ],
)
def test_boxes_of_another_form_are_refused_by_name(
    folder: Path, boxes: object, form: str, message: str
) -> None:
    with pytest.raises(DatasetError, match=f"line 2: .*{message}"):
        boxes_of(folder, boxes, form)


def test_shares_of_an_image_that_cannot_be_read_are_refused(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"")
    with pytest.raises(
        DatasetError, match="line 2: boxes as shares of an image that cannot be read"
    ):
        boxes_of(folder, [[0.5, 0.5, 0.1, 0.2]], "yolo")


def test_findings_beside_semicolons(folder: Path) -> None:
    lines = [[*HEAD, "findings"], [*ROWS[0], "fracture,hardware"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (study,) = index_table(write(folder, lines, ";"))
    assert len(study.categories or ()) == 2


def test_a_zero_byte_in_a_table_is_refused_with_its_line(folder: Path) -> None:
    table = write(folder, [HEAD, ["a\0.png", *ROWS[0][1:]]])
    with pytest.raises(DatasetError, match="line 2: a zero byte"):
        index_table(table)
