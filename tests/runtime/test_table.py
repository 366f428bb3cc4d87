"""A table holds every image once and in order, whatever ends the run that writes it."""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from analytic_bundle import FITTED, PARTS, write_analytic
from table_films import many_studies

from ulna.bundle.manifest import ConformalScores
from ulna.errors import ConfigError, DependencyError, ImageError
from ulna.runtime import Predictor
from ulna.runtime.table.columns import COLUMNS
from ulna.runtime.table.journal import State
from ulna.runtime.table.score import Asked, TableFiles, score_table
from ulna.types import Study

TRUSTED = replace(
    FITTED,
    conformal={p: ConformalScores((0.1, 0.3, 0.4, 0.6), (0.4, 0.5, 0.7, 0.8)) for p in PARTS},
)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    out = tmp_path_factory.mktemp("table") / "bundle"
    write_analytic(out, fusion=TRUSTED)
    return Predictor.load(out, threads=1)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    return many_studies(tmp_path_factory.mktemp("many"), 40)


@pytest.fixture(scope="module")
def whole(
    predictor: Predictor, studies: list[Study], tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    """The table of a run that nothing ended."""
    out = tmp_path_factory.mktemp("whole") / "table.csv"
    assert score_table(predictor, studies, out).finished
    return out.read_bytes()


def rows(table: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(table.decode().splitlines()))


def after(count: int) -> Callable[[], bool]:
    """A question that is answered with yes from the `count`-th time on."""
    asked = iter(range(1, 1_000_000))
    return lambda: next(asked) >= count


def test_a_row_for_each_image_in_order(whole: bytes, studies: list[Study]) -> None:
    found = rows(whole)
    listed = [(s.key, str(r.path)) for s in studies for r in s.images]
    assert [(r["study"], r["image"]) for r in found] == listed
    assert list(found[0]) == [c.name for c in COLUMNS]


def test_rows_say_what_predict_says(
    whole: bytes, predictor: Predictor, studies: list[Study]
) -> None:
    left = iter(rows(whole))
    for study in studies:
        own = [next(left) for _ in study.images]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answer = predictor.predict(study)
        except (ImageError, ConfigError) as error:
            assert {r["error"] for r in own} == {str(error)}
            assert {r["study_probability"] + r["decision"] + r["triage"] for r in own} == {""}
            continue
        images = iter(answer.images)
        for row in own:
            assert float(row["study_probability"]) == pytest.approx(answer.probability, abs=1e-6)
            assert row["decision"] == str(int(answer.abnormal))
            assert row["triage"] == answer.triage(0.1)
            assert float(row["p_normal"]) == answer.p_normal
            assert row["bundle"] == answer.bundle_hash
            if row["error"]:
                assert row["error"] == dict(answer.skipped)[row["image"]]
                assert row["image_probability"] == ""
            else:
                logit = next(images).logit
                assert float(row["image_logit"]) == pytest.approx(logit, abs=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_a_table_gone_on_with_is_the_same_byte_for_byte(
    predictor: Predictor,
    studies: list[Study],
    whole: bytes,
    tmp_path: Path,
    batch: int,
    seconds: float,
) -> None:
    out = tmp_path / "new" / "table.csv"
    runs = 0
    while not score_table(
        predictor, studies, out, stop=after(batch), commit_seconds=seconds
    ).finished:
        runs += 1
        assert not out.exists() and TableFiles(out).rows.exists()
        assert whole.startswith(TableFiles(out).rows.read_bytes())
    assert runs >= 2
    assert out.read_bytes() == whole
    assert not TableFiles(out).rows.exists()


class Killed(BaseException):
    """What no part of the program catches."""


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_run_ended_at_any_of_its_writes_loses_and_doubles_nothing(
    predictor: Predictor,
    studies: list[Study],
    whole: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    sync = os.fsync
    few = studies[:12]
    score_table(predictor, few, tmp_path / "few.csv")
    wanted = (tmp_path / "few.csv").read_bytes()
    assert whole.startswith(wanted)
    ended, at, done = 0, 0, False
    while not done:
        at += 1
        left = at

        def failing(handle: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            sync(handle)

        out = tmp_path / str(at) / name
        monkeypatch.setattr(os, "fsync", failing)
        try:
            score_table(predictor, few, out, commit_seconds=0)
            done = True
        except Killed:
            ended += 1
        monkeypatch.setattr(os, "fsync", sync)
        state = score_table(predictor, few, out, commit_seconds=0)
        assert state.finished and state.studies == len(few)
        assert sorted(p.name for p in out.parent.iterdir()) == [name, f"{name}.journal"]
        if name.endswith(".csv"):
            assert out.read_bytes() == wanted
        else:
            assert parquet_cells(out) == rows(wanted)
    assert ended >= 6


def parquet_cells(path: Path) -> list[dict[str, str]]:
    """The rows as CSV would hold them."""
    pq = pytest.importorskip("pyarrow.parquet")

    def cell(value: object) -> str:
        if value is None:
            return ""
        return str(int(value)) if isinstance(value, bool) else str(value)

    return [{k: cell(v) for k, v in row.items()} for row in pq.read_table(path).to_pylist()]


def test_parquet_holds_the_same_rows_under_the_same_columns_typed(
    predictor: Predictor, studies: list[Study], whole: bytes, tmp_path: Path
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "table.parquet"
    assert not score_table(predictor, studies, out, stop=after(3)).finished
    assert not out.exists()
    assert score_table(predictor, studies, out).finished
    assert parquet_cells(out) == rows(whole)
    kinds = {"text": "string", "number": "double", "flag": "bool"}
    schema = pq.read_schema(out)
    assert [(f.name, str(f.type)) for f in schema] == [(c.name, kinds[c.kind]) for c in COLUMNS]


def test_parquet_without_pyarrow_says_what_to_install(
    predictor: Predictor, studies: list[Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ulna.runtime.table.parquet.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"pip install 'ulna\[scale\]'"):
        score_table(predictor, studies, tmp_path / "table.parquet")
    assert not list(tmp_path.iterdir())


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
    assert len(rows(out.read_bytes())) == first.images


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Asked("sensitive"), "operating_point balanced there, sensitive now"),
        (Asked(error_rate=0.2), "error_rate 0.1 there, 0.2 now"),
        (Asked(body_part="recognise"), "body_part given there, recognise now"),
    ],
)
def test_other_settings_do_not_go_on_with_a_table(
    predictor: Predictor, studies: list[Study], tmp_path: Path, change: Asked, said: str
) -> None:
    out = tmp_path / "table.csv"
    for stop in (after(1), after(1000)):  # begun, and finished
        score_table(predictor, studies, out, stop=stop)
        with pytest.raises(ConfigError, match=said):
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
    other = write_analytic(tmp_path / "other", fusion=FITTED)
    with pytest.raises(ConfigError, match="bundle"):
        score_table(Predictor.load(other.path), studies, out)
    film = tmp_path / "film.png"
    film.write_bytes(studies[0].images[0].path.read_bytes())
    one = [replace(studies[0], images=(replace(studies[0].images[0], path=film),))]
    score_table(predictor, one, tmp_path / "one.csv")
    film.write_bytes(b"replaced")
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
    TableFiles(out).journal.write_text("shopping list\n")
    with pytest.raises(ConfigError, match="not a journal of this version"):
        score_table(predictor, studies, out)
    for name, said in (("table.xlsx", "ends in .csv or .parquet"), (".csv", "ends in")):
        with pytest.raises(ConfigError, match=said):
            score_table(predictor, studies, tmp_path / name)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        score_table(predictor, studies, tmp_path / "folder.csv")


def test_torn_lines_are_cut_off_and_lost_rows_are_noticed(
    predictor: Predictor, studies: list[Study], whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "table.csv"
    score_table(predictor, studies, out, stop=after(2))
    files = TableFiles(out)
    with files.rows.open("ab") as stream:
        stream.write(b'WRIST/p9/s9,p9,"torn')
    with files.journal.open("ab") as stream:
        stream.write(b'{"studies": 39, "ima')
    score_table(predictor, studies, out, stop=after(1))
    assert whole.startswith(files.rows.read_bytes())
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


def test_the_state_counts_what_the_rows_say(
    predictor: Predictor, studies: list[Study], whole: bytes, tmp_path: Path
) -> None:
    score_table(predictor, studies, tmp_path / "table.csv", stop=after(3))
    state = score_table(predictor, studies, tmp_path / "table.csv")
    by_study = {r["study"]: r for r in rows(whole)}
    answered = {r["study"] for r in rows(whole) if r["study_probability"]}
    assert state == State(
        studies=len(studies),
        images=len(rows(whole)),
        bytes=len(whole),
        abnormal=sum(r["decision"] == "1" for r in by_study.values()),
        no_answer=len(studies) - len(answered),
        unreadable=sum(bool(r["error"]) for r in rows(whole) if r["study"] in answered),
        finished=True,
    )


def test_names_that_are_no_text_and_long_reasons_fit_a_row(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/film\xff,\n.png"))
    os.link(studies[0].images[0].path, odd)
    refs = (replace(studies[0].images[0], path=odd),)
    gone = [replace(refs[0], path=tmp_path / f"{k}.png") for k in range(100)]
    asked = [Study("p", "s", PARTS[0], refs), Study("p", "t", PARTS[0], tuple(gone))]
    score_table(predictor, asked, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert len(found) == 101
    assert found[0]["image"].endswith("film\\udcff,\n.png") and found[0]["study_probability"]
    assert all(r["error"].endswith("...") and len(r["error"]) == 1000 for r in found[1:])
