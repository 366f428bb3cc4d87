"""The glossary: DICOM tags as the data dictionary has them, and every renamed key."""

from __future__ import annotations

import re
from pathlib import Path

from pydicom.datadict import dictionary_description

from ulna.config.migrations import MIGRATIONS

GLOSSARY = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text("utf-8")
_TAG = re.compile(r"([A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)*) \(([0-9A-F]{4}),([0-9A-F]{4})\)")


def test_dicom_attributes_have_the_tags_of_the_data_dictionary() -> None:
    named = _TAG.findall(GLOSSARY)
    assert len(named) >= 12
    for name, group, element in named:
        assert name.removeprefix("DICOM ") == dictionary_description(int(group + element, 16))


def test_every_renamed_key_is_listed_with_its_name_of_today() -> None:
    _, _, table = GLOSSARY.partition("## Earlier names")
    renamed = [p for several in MIGRATIONS.values() for m in several for p in m.keys.items()]
    for old, new in renamed:
        word = re.compile(rf"(?<![\w-]){old}(?![\w-])")
        rows = [line for line in table.splitlines() if word.search(line)]
        assert any(new in row for row in rows), (old, rows)
