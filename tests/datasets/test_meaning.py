"""The meaning of abnormal in a bundle is that of its training labels, where these state one.

Regression: a recipe of fractures was trained on a table of sources whose label meant any
abnormality, and every answer said FRACTURE. Labels of fractures could train any other recipe.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ulna.config.recipe import ExpertConfig, Recipe
from ulna.datasets import index_data
from ulna.datasets.meaning import check_label_meaning, differing_meaning
from ulna.errors import ConfigError, DatasetError
from ulna.types import BodyPart

HEAD = "path,patient_id,study_id,body_part,abnormal"
SOURCES = "source,table,label_means,licence,role\n"


def _table(folder: Path, name: str, rows: list[str], head: str = HEAD) -> Path:
    for row in rows:
        Image.new("L", (8, 8)).save(folder / row.split(",")[0])
    table = folder / name
    table.write_text("\n".join([head, *rows]) + "\n")
    return table


def _recipe(means: str) -> Recipe:
    return Recipe(
        "own", (ExpertConfig("cnn", "cnn"),), tuple(BodyPart),
        abnormal_means=means,  # type: ignore[arg-type]
    )  # fmt: skip


def _phantoms(folder: Path) -> Path:
    """One normal and one abnormal phantom study, as `ulna phantom` writes them."""
    lines = ["path,view,laterality,category,subtlety,cnr,mask,box_x,box_y,box_w,box_h"]
    for k, kind in enumerate(("negative", "positive")):
        place = folder / f"train/XR_ELBOW/patient0000{k + 1}/study1_{kind}"
        place.mkdir(parents=True)
        Image.new("L", (8, 8)).save(place / "image1.png")
        result = "fracture,obvious,2.0,,1,1,2,2" if k else ",,,,,,,"
        lines.append(f"{(place / 'image1.png').relative_to(folder)},AP,L,{result}")
    (folder / "truth.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("means", ["fracture", "abnormal"])
def test_a_source_says_what_its_label_means(tmp_path: Path, means: str) -> None:
    _table(tmp_path, "own.csv", ["a.png,p0,s0,HAND,0", "b.png,p1,s1,HAND,1"])
    (tmp_path / "sources.csv").write_text(f"{SOURCES}own,own.csv,{means},own,train\n")
    studies = index_data(tmp_path / "sources.csv")
    right, wrong = ("fracture", "abnormality")[:: 1 if means == "fracture" else -1]
    assert {s.label_means for s in studies} == {right}
    check_label_meaning(studies, _recipe(right))
    with pytest.raises(
        ConfigError, match=f"answers {wrong}.*label of 2 of 2 studies means {right}"
    ):
        check_label_meaning(studies, _recipe(wrong))


def test_a_table_by_itself_leaves_it_to_the_recipe(tmp_path: Path) -> None:
    studies = index_data(_table(tmp_path, "own.csv", ["a.png,p0,s0,HAND,1"]))
    assert differing_meaning(studies, "fracture") == differing_meaning(studies, "abnormality") == ""


def test_phantoms_show_more_than_fractures(tmp_path: Path) -> None:
    studies = index_data(_phantoms(tmp_path / "ph"))
    assert all(s.simulated and s.label_means == "abnormality" for s in studies)
    with pytest.raises(ConfigError, match="of 2 studies means abnormality, and not fracture"):
        check_label_meaning(studies, _recipe("fracture"))
    _table(tmp_path, "own.csv", ["a.png,p0,s0,HAND,1"])
    rows = "ph,ph,fracture,own,train\nown,own.csv,fracture,own,train\n"
    (tmp_path / "sources.csv").write_text(SOURCES + rows)
    with pytest.raises(DatasetError, match="means any abnormality: expected abnormal"):
        index_data(tmp_path / "sources.csv")


@pytest.mark.parametrize(
    ("means", "label", "findings", "cell", "message"),
    [
        ("fracture", 1, "", 0, "fracture by its column absent"),
        ("fracture", 0, "", 1, "fracture by its column present"),
        ("hardware", 1, "fracture", 0, "fracture by its column absent"),
        ("abnormal", 1, "fracture", 0, "fracture by its column absent"),
        ("abnormal", 0, "", 1, ""),  # a normal study with old hardware, say
        ("hardware", 0, "", 1, ""),
    ],
)
def test_a_column_does_not_overrule_a_label_in_silence(
    tmp_path: Path, means: str, label: int, findings: str, cell: int, message: str
) -> None:
    """Report: a fractured study whose column `fracture` held 0 was taught as normal."""
    row = f"a.png,p0,s0,HAND,{label},{findings},{cell}"
    _table(tmp_path, "own.csv", [row], f"{HEAD},findings,fracture")
    (tmp_path / "sources.csv").write_text(f"{SOURCES}own,own.csv,{means},own,train\n")
    if not message:
        assert len(index_data(tmp_path / "sources.csv")) == 1
        return
    with pytest.raises(DatasetError, match=f"contradicts the label[\\s\\S]*{message}"):
        index_data(tmp_path / "sources.csv")


def test_only_what_learned_no_label_of_a_patient_is_a_demonstration(tmp_path: Path) -> None:
    """Report: phantoms to train and real images held out, in one table of sources: the bundle's
    answers did not say that they must not be used on patients."""
    from ulna.training.fingerprint import fingerprint_studies

    phantoms = index_data(_phantoms(tmp_path / "ph"))
    real = index_data(_table(tmp_path, "own.csv", ["a.png,p0,s0,HAND,1"]))
    heads = [replace(s, abnormal=None) for s in real]
    assert fingerprint_studies(phantoms, "sources", "x").simulated
    assert fingerprint_studies([*phantoms, *heads], "sources", "x").simulated
    assert not fingerprint_studies([*phantoms, *real], "sources", "x").simulated
    assert fingerprint_studies(heads, "table", "x").kind == "table"
