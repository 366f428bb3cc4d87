"""Groups of studies by region and by a table's columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ulna.errors import ConfigError
from ulna.evaluation.groups import REGIONS, column_groups, region_groups
from ulna.types import BodyPart, ImageRef, Study


def _table(folder: Path) -> tuple[Path, list[Study]]:
    table = folder / "table.csv"
    head = "path,patient_id,study_id,body_part,abnormal,width,plate"
    lines = ["a.png,p,1,,,373,0", "b.png,p,2,,,2304,1", "c.png,p,3,,,,"]
    table.write_text("\n".join([head, *lines]))
    parts = (BodyPart.HAND, BodyPart.FOREARM, None)
    return table, [
        Study(f"p{i}", "s", part, (ImageRef(folder / f"{name}.png"),))
        for i, (name, part) in enumerate(zip("abc", parts, strict=True))
    ]


def test_every_body_part_is_in_one_region() -> None:
    named = [p for parts in REGIONS.values() for p in parts]
    assert sorted(named) == sorted(BodyPart)


def test_regions_and_columns(tmp_path: Path) -> None:
    table, studies = _table(tmp_path)
    a, b, c = (s.key for s in studies)
    known = {s.key: s.body_part for s in studies if s.body_part}
    assert region_groups(known) == {"region": {a: "wrist, hand, finger", b: "elbow, forearm"}}
    result = column_groups(table, studies, ["plate", "width:1000"])
    assert result == {
        "plate": {a: "0", b: "1", c: ""},
        "width": {a: "< 1000", b: ">= 1000", c: ""},
    }
    assert column_groups(table, studies, []) == {}


def test_columns_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    table, studies = _table(tmp_path)
    with pytest.raises(ConfigError, match="column 'metal'"):
        column_groups(table, studies, ["metal"])
    with pytest.raises(ConfigError, match="to be split at 'x'"):
        column_groups(table, studies, ["width:x"])
    for twice in (["width:500", "width:1000"], ["plate", "plate"]):
        with pytest.raises(ConfigError, match="is requested twice"):
            column_groups(table, studies, twice)
    with pytest.raises(ConfigError, match="is no table"):
        column_groups(tmp_path, studies, ["plate"])


def test_a_table_and_its_images_may_be_spelled_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ulna crossval table.csv --by plate` wrote no groups: images were indexed by full path."""
    table, studies = _table(tmp_path)
    wanted = column_groups(table, studies, ["plate"])
    assert set(wanted["plate"].values()) == {"0", "1", ""}
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    for other in (Path("table.csv"), Path("./table.csv"), tmp_path / "link" / "table.csv"):
        assert column_groups(other, studies, ["plate"]) == wanted


def test_a_table_of_other_images_is_an_error(tmp_path: Path) -> None:
    table, studies = _table(tmp_path)
    moved = [replace(s, images=(ImageRef(tmp_path / "other" / "a.png"),)) for s in studies]
    with pytest.raises(ConfigError, match="none of the 3 studies' images"):
        column_groups(table, moved, ["plate"])
