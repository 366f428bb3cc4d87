"""predictions.csv contains everything that the scores are computed from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.evaluation.synthetic_studies import PARTS

from ulna.errors import DatasetError
from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Resampling
from ulna.evaluation.summary import summarise
from ulna.evaluation.table import write_predictions
from ulna.evaluation.table_reading import read_predictions
from ulna.provenance.verify import differing_leaves


def test_scores_of_the_table_are_those_of_the_rows(
    make_rows: Callable[[int], list[StudyRow]], tmp_path: Path
) -> None:
    rows = make_rows(36)
    rows[0] = replace(rows[0], body_part=None)
    rows[1] = replace(rows[1], abnormal=None)
    rows[2] = replace(rows[2], given=None, recognised=None, images=(), fault="unreadable")
    rows[3] = replace(rows[3], skipped=(("film.png", "damaged"),))
    write_predictions(rows, tmp_path / "p.csv")
    again = read_predictions(tmp_path / "p.csv")
    assert [r.key for r in again] == [r.key for r in rows]
    how = Resampling(20, 3)
    expected, result = summarise(rows, PARTS, how), summarise(again, PARTS, how)
    n, differing = differing_leaves(result, expected)
    assert n > 500 and not differing
    write_predictions(again, tmp_path / "q.csv")
    assert [r.skipped for r in again] == [r.skipped for r in rows]


def test_a_rounded_or_damaged_table_is_refused(
    make_rows: Callable[[int], list[StudyRow]], tmp_path: Path
) -> None:
    file = tmp_path / "p.csv"
    write_predictions(make_rows(6), file)
    text = file.read_text()
    file.write_text(text.replace("body_part_given", "other", 1))
    with pytest.raises(DatasetError, match="evaluate again"):
        read_predictions(file)
    file.write_text(text.replace("WRIST,1", "LEG,1"))
    with pytest.raises(DatasetError, match="LEG"):
        read_predictions(file)
    with pytest.raises(DatasetError, match="no such file"):
        read_predictions(tmp_path / "none.csv")
