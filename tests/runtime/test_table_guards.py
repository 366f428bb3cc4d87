"""Tables that cannot be resumed, overwritten or shared."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from analytic_bundle import FITTED, write_analytic
from table_images import many_studies

from ulna.config.engine import EngineSettings
from ulna.errors import ConfigError
from ulna.runtime import Predictor
from ulna.runtime.table.score import TableFiles, TableSettings, score_table
from ulna.types import Study


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    out = tmp_path_factory.mktemp("guards") / "bundle"
    write_analytic(out, fusion=FITTED)
    return Predictor.load(out, EngineSettings(threads=1))


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    return many_studies(tmp_path_factory.mktemp("many"), 40)


def after(count: int) -> Callable[[], bool]:
    """A callback that returns True from the `count`-th call on."""
    requested = iter(range(1, 1_000_000))
    return lambda: next(requested) >= count


def test_a_finished_table_is_left_alone(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    out = tmp_path / "table.csv"
    first = score_table(predictor, studies[:3], out)
    out.write_text("as somebody left it")
    assert score_table(predictor, studies[:3], out) == first
    assert out.read_text() == "as somebody left it"
    out.unlink()  # taken away: asked for anew
    assert score_table(predictor, studies[:3], out) == first
    assert len(list(csv.DictReader(out.read_text().splitlines()))) == first.images


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (TableSettings("sensitive"), "operating_point balanced there, sensitive now"),
        (TableSettings(error_rate=0.2), "error_rate 0.1 there, 0.2 now"),
        (TableSettings(body_part="recognise"), "body_part given there, recognise now"),
    ],
)
def test_other_settings_do_not_go_on_with_a_table(
    predictor: Predictor, studies: list[Study], tmp_path: Path, change: TableSettings, message: str
) -> None:
    out = tmp_path / "table.csv"
    for stop in (after(1), after(1000)):  # begun, and finished
        score_table(predictor, studies, out, stop=stop)
        with pytest.raises(ConfigError, match=message):
            score_table(predictor, studies, out, change)


def test_other_inputs_and_another_bundle_do_not_go_on_with_a_table(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    out = tmp_path / "table.csv"
    score_table(predictor, studies, out, stop=after(1))
    with pytest.raises(ConfigError, match="studies 40 there, 39 now"):
        score_table(predictor, studies[:-1], out)
    with pytest.raises(ConfigError, match=r"with other settings: inputs \w{64} there"):
        score_table(predictor, [studies[1], studies[0], *studies[2:]], out)
    other = write_analytic(tmp_path / "other", fusion=replace(FITTED, map_limit=4.0))
    with pytest.raises(ConfigError, match="bundle"):
        score_table(Predictor.load(other.path), studies, out)
    image = tmp_path / "image.png"
    image.write_bytes(studies[0].images[0].path.read_bytes())
    one = [replace(studies[0], images=(replace(studies[0].images[0], path=image),))]
    score_table(predictor, one, tmp_path / "one.csv")
    image.write_bytes(b"replaced")
    with pytest.raises(ConfigError, match="inputs"):
        score_table(predictor, one, tmp_path / "one.csv")


def test_files_in_the_way_are_not_overwritten(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    out = tmp_path / "table.csv"
    for path in (out, TableFiles(out).rows):
        path.write_text("precious")
        with pytest.raises(ConfigError, match="without a journal"):
            score_table(predictor, studies, out)
        assert path.read_text() == "precious"
        path.unlink()
    for journal in ("shopping list\n", "[" * 100_000 + "\n"):
        TableFiles(out).journal.write_text(journal)
        with pytest.raises(ConfigError, match="not a journal of this version"):
            score_table(predictor, studies, out)
    for name, message in (("table.xlsx", "ends in .csv or .parquet"), (".csv", "ends in")):
        with pytest.raises(ConfigError, match=message):
            score_table(predictor, studies, tmp_path / name)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        score_table(predictor, studies, tmp_path / "folder.csv")


def test_torn_lines_are_cut_off_and_lost_rows_are_noticed(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    score_table(predictor, studies, tmp_path / "whole.csv")
    out = tmp_path / "table.csv"
    score_table(predictor, studies, out, stop=after(2))
    files = TableFiles(out)
    with files.rows.open("ab") as stream:
        stream.write(b'WRIST/p9/s9,p9,"torn')
    with files.journal.open("ab") as stream:
        stream.write(b'{"studies": 39, "ima')
    score_table(predictor, studies, out, stop=after(1))
    assert (tmp_path / "whole.csv").read_bytes().startswith(files.rows.read_bytes())
    files.rows.write_bytes(files.rows.read_bytes()[:100])
    with pytest.raises(ConfigError, match="100 bytes, but its journal counts"):
        score_table(predictor, studies, out)


def test_two_runs_do_not_write_one_table(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    out = tmp_path / "table.csv"

    def meanwhile() -> bool:
        with pytest.raises(ConfigError, match="another `ulna predict --table`"):
            score_table(predictor, studies, out)
        return True

    assert not score_table(predictor, studies, out, stop=meanwhile).finished


def test_the_order_and_views_of_a_studys_images_count(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    first, second, *_ = next(s for s in studies if len(s.images) > 1).images
    for k, other in enumerate(((second, first), (replace(first, view="PA"), second))):
        out = tmp_path / f"{k}.csv"
        score_table(predictor, [Study("p", "s", None, (first, second))], out)
        with pytest.raises(ConfigError, match="inputs"):
            score_table(predictor, [Study("p", "s", None, other)], out)


def test_a_table_of_nothing_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no studies"):
        score_table(predictor, [], tmp_path / "table.csv")
    assert not list(tmp_path.iterdir())


def test_a_table_that_is_gone_is_not_called_finished(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    out = tmp_path / "table.csv"
    score_table(predictor, studies[:3], out)
    journal = TableFiles(out).journal
    *counted, _ = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(counted))  # killed before the last line, and then taken away
    out.unlink()
    with pytest.raises(ConfigError, match=r"table\.csv\.partial: gone, but .* counts its rows"):
        score_table(predictor, studies[:3], out)


def test_a_journal_in_use_outlives_the_look_at_its_table(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    """Of a finished table that was removed: a second run must not delete the files of the first."""
    out = tmp_path / "table.csv"
    score_table(predictor, studies, out)
    out.unlink()
    files = TableFiles(out)
    journal = files.journal.stat().st_ino
    files.check_beginnings()
    assert files.journal.stat().st_ino == journal

    def meanwhile() -> bool:
        with pytest.raises(ConfigError, match="another `ulna predict --table`"):
            score_table(predictor, studies, out)
        return True

    assert not score_table(predictor, studies, out, stop=meanwhile).finished
    assert score_table(predictor, studies, out).finished
    assert len(list(csv.DictReader(out.read_text().splitlines()))) == sum(
        len(s.images) for s in studies
    )
