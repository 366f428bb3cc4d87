"""Damaged files: an answer or a typed error, within 2 s and 512 MB. And that this would be seen."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from tests.fuzz import campaign, trial
from tests.fuzz.bombs import ANSWERED
from tests.fuzz.campaign import ROOT, Tally, run, table
from tests.fuzz.mutants import COUNTS, Mutants

from ulna.errors import DatasetError, ImageError
from ulna.types import Radiograph

SEED = "the one of the tests"


@pytest.mark.long
def test_no_mutant_is_answered_wrong_or_ends_in_anything_but_an_image_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of each family as many as `make fuzz` tries, but always the same ones."""
    tallies = run(SEED, COUNTS, workers=2)
    with capsys.disabled():
        print("\n" + table(tallies))
    assert {f: t.tried for f, t in tallies.items()} == COUNTS
    assert not any(t.faults for t in tallies.values()), table(tallies)
    # Damage that always or never hides the image would find nothing.
    assert all(0.1 < t.answered / t.tried < 0.9 for t in tallies.values())


@pytest.mark.long
def test_bombs_are_refused_in_bounded_time_and_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.bombs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    result = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"died behind {result[-1:]}: {done.stderr[-500:]}"
    assert not [f for f in result if f["fault"]]
    assert [
        f["name"] for f in result if f["outcome"] == "answered" and f["name"] not in ANSWERED
    ] == []
    assert len(result) > 20


@pytest.mark.parametrize("family", ["PNG", "JPEG", "TIFF"])
def test_a_few_pictures(family: str) -> None:
    mutants = Mutants(family, SEED)
    trials = {n: trial.tried(mutants.make(n)[1], "an image") for n in range(250)}
    assert {n: t.fault for n, t in trials.items() if t.fault} == {}


def test_a_number_is_always_the_same_mutant() -> None:
    first, again, other = (Mutants("PNG", seed) for seed in ("a", "a", "b"))
    assert [first.make(n) for n in range(20)] == [again.make(n) for n in range(20)]
    assert [first.make(n) for n in range(20)] != [other.make(n) for n in range(20)]


def _read(data: bytes, name: str) -> Radiograph:
    """A reader with every fault there is to find."""
    pixels = np.full((20, 20), 0.5, np.float32)
    if data == b"leak":
        warnings.warn("from a library", DeprecationWarning, stacklevel=1)
    if data == b"inner":
        raise ImageError(f"{name}: damaged (ValueError: no)")
    if data == b"nameless":
        raise ImageError("damaged")
    if data == b"other":
        raise DatasetError(f"{name}: damaged")
    if data == b"untyped":
        raise IndexError("out of range")
    if data == b"large":
        np.ones(trial.MOST_BYTES // 8 + 1)
    if data == b"wrong":
        object.__setattr__(image := Radiograph(pixels), "pixels", pixels * np.nan)
        return image
    return Radiograph(pixels)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", ""),
        (b"leak", "lets out DeprecationWarning"),
        (b"inner", "'ValueError' in an error's text"),
        (b"nameless", "a text without the file's name"),
        (b"other", "a DatasetError, no ImageError"),
        (b"untyped", "untyped: IndexError"),
        (b"large", "took"),
        (b"wrong", "an answer from nan"),
    ],
)
def test_a_fault_is_seen(data: bytes, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "read_radiograph", _read)
    result = trial.tried(data, "an image").fault
    assert result.startswith(fault) and bool(result) == bool(fault)
    assert data != b"large" or result.endswith("MB")


def test_a_slow_answer_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "read_radiograph", _read)
    monkeypatch.setattr(trial, "MOST_SECONDS", -1.0)
    assert trial.tried(b"", "an image").fault.startswith("took 0.0 s")


_DIES = """
import json, os, pathlib, sys
number, state = sys.argv[3], pathlib.Path(sys.argv[5])
state.write_text(number)
if number == "0":
    one = {"number": 0, "image": "", "outcome": "refused", "seconds": 1, "peak": 5, "fault": ""}
    print(json.dumps(one), flush=True)
    state.write_text("1")
    DIE
"""


@pytest.mark.parametrize(
    ("end", "message"),
    [("os.abort()", "ended with -6"), ("import time; time.sleep(9)", "stood still")],
)
def test_a_worker_that_dies_is_a_fault_of_its_mutant(
    end: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next worker goes on behind it."""
    monkeypatch.setattr(campaign, "WORKER", ("-c", _DIES.replace("DIE", end)))
    monkeypatch.setattr(campaign, "STANDS_STILL", 1.0)
    (tally,) = run("a", {"PNG": 5}).values()
    assert tally.tried == 2 and len(tally.faults) == 1
    assert tally.faults[0].startswith("1 ()") and message in tally.faults[0]


def test_the_table_names_the_faults() -> None:
    tally = Tally()
    tally.add(
        {
            "number": 7,
            "image": "x",
            "outcome": "refused",
            "seconds": 2.5,
            "peak": 3 << 20,
            "fault": "no",
        }
    )
    assert "7 (x): no" in table({"PNG": tally}) and "2.50 s" in table({"PNG": tally})


def test_saved_is_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "mutant"
    monkeypatch.setattr(sys, "argv", ["campaign", "--seed", "a", "--save", "PNG:3", str(target)])
    assert campaign.main() == 0
    assert target.read_bytes() == Mutants("PNG", "a").make(3)[1]
