"""docs/metrics.md names every key of metrics.json and every column of predictions.csv."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.evaluation.synthetic_studies import PARTS

from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Resampling
from ulna.evaluation.summary import summarise
from ulna.evaluation.table import write_predictions


@pytest.fixture
def text(repository: Path) -> str:
    return (repository / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_every_key_is_explained(text: str, make_rows: Callable[[int], list[StudyRow]]) -> None:
    result = summarise(make_rows(12), PARTS, Resampling(5))
    place = result["localisation"]
    plain = {k for k in place if not k.endswith(("_all", "_visible", "_subtle", "_interval"))}
    keys = (
        set(result)
        | plain
        | set(result["by_body_part"]["ALL"])
        | set(result["experts"]["cnn"]["ALL"])
    )
    keys -= {"energy_inside_interval"}
    missing = sorted(k for k in keys if f"`{k}" not in text and f".{k}" not in text)
    assert missing == []


def test_every_column_is_explained(
    text: str, make_rows: Callable[[int], list[StudyRow]], tmp_path: Path
) -> None:
    write_predictions(make_rows(6), tmp_path / "p.csv")
    columns = (tmp_path / "p.csv").read_text().splitlines()[0].split(",")
    own = [c for c in columns if not c.endswith(("_cnn", "_tiny", "_mean_of_experts"))]
    assert [c for c in own if f"`{c}`" not in text] == []
