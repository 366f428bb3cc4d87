"""The examples of docs/data.md run, and its counts are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ulna.datasets.mura_counts import TRAIN, VALID

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def test_examples_run_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)


def test_table_of_counts() -> None:
    text = PAGE.read_text("utf-8")
    for part, train in TRAIN.items():
        valid = VALID[part]
        row = [part.value.lower()] + [
            f"{counts[i]} / {counts[i + 1]}" for i in (0, 2) for counts in (train, valid)
        ]
        assert f"| {' | '.join(row)} |" in text
