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
from table_images import many_studies

from ulna.bundle.manifest import ConformalScores
from ulna.config.engine import EngineSettings
from ulna.errors import ConfigError, DependencyError, ImageError
from ulna.runtime import Predictor
from ulna.runtime.table.columns import COLUMNS
from ulna.runtime.table.journal import State
from ulna.runtime.table.score import TableFiles, score_table
from ulna.types import Study

TRUSTED = replace(
    FITTED,
    conformal={p: ConformalScores((0.1, 0.3, 0.4, 0.6), (0.4, 0.5, 0.7, 0.8)) for p in PARTS},
)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    out = tmp_path_factory.mktemp("table") / "bundle"
    write_analytic(out, fusion=TRUSTED)
    return Predictor.load(out, EngineSettings(threads=1))


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
    """A callback that returns True from the `count`-th call on."""
    requested = iter(range(1, 1_000_000))
    return lambda: next(requested) >= count


def test_a_row_for_each_image_in_order(whole: bytes, studies: list[Study]) -> None:
    result = rows(whole)
    listed = [(s.key, str(r.path)) for s in studies for r in s.images]
    assert [(r["study"], r["image"]) for r in result] == listed
    assert list(result[0]) == [c.name for c in COLUMNS]


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
    """An exception that no part of the program catches."""


def killed_at(count: int) -> Callable[[int], None]:
    """os.fsync, but the `count`-th call ends the run instead."""
    sync, calls = os.fsync, iter(range(1, 1_000_000))

    def failing(handle: int) -> None:
        if next(calls) == count:
            raise Killed
        sync(handle)

    return failing


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_run_ended_at_any_of_its_writes_loses_and_doubles_nothing(
    predictor: Predictor,
    studies: list[Study],
    whole: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    few = studies[:12]
    score_table(predictor, few, tmp_path / "few.csv")
    wanted = (tmp_path / "few.csv").read_bytes()
    assert whole.startswith(wanted)
    ended, done = 0, False
    while not done:
        out = tmp_path / str(ended) / name
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", killed_at(ended + 1))
            try:
                done = score_table(predictor, few, out, commit_seconds=0).finished
            except Killed:
                ended += 1
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
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/image\xff,\n.png"))
    os.link(studies[0].images[0].path, odd)
    refs = (replace(studies[0].images[0], path=odd),)
    gone = [replace(refs[0], path=tmp_path / f"{k}.png") for k in range(100)]
    requested = [Study("p", "s", PARTS[0], refs), Study("p", "t", PARTS[0], tuple(gone))]
    score_table(predictor, requested, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as stream:
        result = list(csv.DictReader(stream))
    assert len(result) == 101
    assert result[0]["image"].endswith("image\\udcff,\n.png") and result[0]["study_probability"]
    assert all(r["error"].endswith("...") and len(r["error"]) == 1000 for r in result[1:])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_carriage_return_in_a_name_ends_no_row(
    predictor: Predictor, studies: list[Study], tmp_path: Path, form: str
) -> None:
    requested = [replace(studies[0], patient_id="p\r1"), studies[1]]
    out = tmp_path / f"table.{form}"
    score_table(predictor, requested, out)
    if form == "parquet":
        result = parquet_cells(out)
    else:
        with out.open(encoding="utf-8", newline="") as stream:
            result = list(csv.DictReader(stream))
    assert [r["patient"] for r in result] == [s.patient_id for s in requested for _ in s.images]
    assert all(r["bundle"] == predictor.bundle.hash for r in result)
