"""`ulna predict --table`: killed, interrupted and resumed; its memory."""

from __future__ import annotations

import csv
import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from tests.cli.calls import ulna
from tests.runtime.analytic_bundle import FITTED, write_analytic, write_images

from ulna.atomic_file import csv_bytes
from ulna.runtime.table.columns import COLUMNS, Cells
from ulna.runtime.table.rows_file import RowsFile


def _images(folder: Path, studies: int) -> Path:
    """Write a folder for each study with one or two images; a few files are no images."""
    distinct = write_images(folder.parent / "distinct", [(90, 70), (60, 100), (80, 80), (70, 75)])
    for k in range(studies):
        place = folder / f"study{k:05d}"
        place.mkdir(parents=True)
        for view in range(1 + k % 2):
            os.link(distinct[(k + view) % 4].path, place / f"{view}.png")
        if k % 17 in (2, 3):
            (place / "0.png").unlink()
            (place / "0.png").write_text("no image")
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_analytic(tmp_path / "bundle", fusion=FITTED).path


def _start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ulna", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_for(path: Path, size: int, process: subprocess.Popen[str]) -> None:
    """Wait until the file is larger than `size`, or the process has ended."""
    while process.poll() is None and (not path.exists() or path.stat().st_size <= size):
        time.sleep(0.001)


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_table_and_its_summary(tmp_path: Path, bundle: Path) -> None:
    images, out = _images(tmp_path / "images", 20), tmp_path / "tables" / "answers.csv"
    done = ulna("predict", images, "--bundle", bundle, "--table", out, code=10)
    rows = _rows(out)
    assert len(rows) == 30
    bad = [r for r in rows if r["error"]]
    assert len(bad) == 3 and all("expected a PNG" in r["error"] for r in bad)
    by_study = {r["study"]: r for r in rows}
    lost = sum(not r["study_probability"] for r in by_study.values())
    assert lost == 1  # the other of two views is predicted
    abnormal = sum(r["decision"] == "1" for r in by_study.values())
    assert done.stdout.startswith(
        f"20 studies with 30 images; {20 - lost} answered ({abnormal} abnormal); 0 refused; "
        f"{lost} without an answer"
    )
    assert "images: 30/30" in done.output
    assert f"{lost} of 20 studies have no answer" in done.stderr
    again = ulna("predict", images, "--bundle", bundle, "--table", out, code=10)
    assert again.stdout == done.stdout


@pytest.mark.parametrize("other", [["--out", "maps"], ["--worklist"], ["--json"]])
def test_a_table_is_the_only_form_of_answer(
    tmp_path: Path, bundle: Path, other: Sequence[str]
) -> None:
    call = ["predict", tmp_path, "--bundle", bundle, "--table", tmp_path / "t.csv", *other]
    assert f"--table with {other[0]}" in ulna(*call, code=2).output
    call = ["predict", tmp_path, "--bundle", bundle, "--workers", 2]
    assert "--workers without --table" in ulna(*call, code=2).output


def test_a_name_that_is_no_table_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    call = ["predict", tmp_path / "gone", "--bundle", tmp_path / "gone"]
    for name in ("t.xlsx", "answers"):
        assert "ends in .csv or .parquet" in ulna(*call, "--table", name, code=2).output


def test_a_table_without_any_answer_is_an_error(tmp_path: Path, bundle: Path) -> None:
    image, out = tmp_path / "image.png", tmp_path / "t.csv"
    image.write_text("no image")
    done = ulna("predict", image, "--bundle", bundle, "--table", out, code=4)
    assert "none of 1 studies has an answer" in done.output
    assert "expected a PNG" in _rows(out)[0]["error"]


def test_a_full_disk_ends_a_table_that_can_be_resumed(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, whole, out = (
        _images(tmp_path / "images", 40),
        tmp_path / "whole.csv",
        tmp_path / "t.csv",
    )
    ulna("predict", images, "--bundle", bundle, "--table", whole, code=10)
    written = 0

    def full(rows: RowsFile, more: Iterable[Cells]) -> None:
        nonlocal written
        data = csv_bytes([c.name for c in COLUMNS], more, head=False)
        written += len(data)
        rows._stream.write(data if written <= 3000 else data[:20])
        if written > 3000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(RowsFile, "write", full)
        done = ulna("predict", images, "--bundle", bundle, "--table", out, code=1)
    assert "No space left on device: free some space" in done.stderr
    assert not out.exists() and out.with_name("t.csv.partial").exists()
    ulna("predict", images, "--bundle", bundle, "--table", out, code=10)
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_ctrl_c_leaves_a_table_that_can_be_resumed(tmp_path: Path, bundle: Path) -> None:
    images = _images(tmp_path / "images", 600)
    whole, out = tmp_path / "whole.csv", tmp_path / "answers.csv"
    ulna("predict", images, "--bundle", bundle, "--table", whole, code=10)
    rows = out.with_name("answers.csv.partial")
    process = _start("predict", images, "--bundle", bundle, "--table", out)
    _wait_for(rows, 0, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "stopping after this batch" in errors
    assert "of 600 studies; the same command continues" in errors
    assert not out.exists() and whole.read_bytes().startswith(rows.read_bytes())
    ulna("predict", images, "--bundle", bundle, "--table", out, code=10)
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["answers.csv", "answers.parquet"])
def test_a_run_killed_repeatedly_gives_the_same_table(
    tmp_path: Path, bundle: Path, name: str
) -> None:
    images = _images(tmp_path / "images", 1500)
    whole, out = tmp_path / "whole" / name, tmp_path / name
    ulna("predict", images, "--bundle", bundle, "--table", whole, code=10)
    rows = out.with_name(f"{name}.partial")
    draw, size = random.Random(5), 0
    for _ in range(4):
        process = _start("predict", images, "--bundle", bundle, "--table", out)
        _wait_for(rows, size, process)
        time.sleep(draw.uniform(0, 0.5))
        process.kill()
        process.communicate(timeout=120)
        size = rows.stat().st_size if rows.exists() else 0
    ulna("predict", images, "--bundle", bundle, "--table", out, code=10)
    if name.endswith(".csv"):
        assert out.read_bytes() == whole.read_bytes()
    else:
        pq = pytest.importorskip("pyarrow.parquet")
        assert pq.read_table(out).equals(pq.read_table(whole))


_MEASURED = """
import sys
from pathlib import Path
from ulna.cli.main import cli
cli(sys.argv[1:], standalone_mode=False)  # returns the code for studies without an answer
print([line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line])
"""


def _peak(images: Path, bundle: Path, out: Path) -> float:
    """Return the largest resident memory of a run, in MiB."""
    call = [sys.executable, "-c", _MEASURED, "predict", images, "--bundle", bundle, "--table", out]
    done = subprocess.run(list(map(str, call)), capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-2]) / 1024


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="no /proc: the peak memory is unknown"
)
def test_memory_does_not_grow_with_the_number_of_studies(tmp_path: Path, bundle: Path) -> None:
    few, many = _images(tmp_path / "a" / "few", 200), _images(tmp_path / "b" / "many", 2000)
    small, large = _peak(few, bundle, tmp_path / "1.csv"), _peak(many, bundle, tmp_path / "2.csv")
    print(f"{small:.1f} and {large:.1f} MiB")
    assert large - small <= 8  # the list of 1,800 studies, not their images or maps
