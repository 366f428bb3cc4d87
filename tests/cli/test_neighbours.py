"""A bad study does not change the answers of others: they are the same bytes without it."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.cli.calls import ulna
from tests.runtime.analytic_bundle import FITTED, write_analytic, write_images

from ulna.atomic_file import atomic_file
from ulna.runtime import pictures, reading
from ulna.types import Radiograph

INCOMPLETE = 10
HEAD = "path,patient_id,study_id,body_part,abnormal,mask"
GOOD = 10


@dataclass(frozen=True)
class Bad:
    """A bad row of the table. why: its error. answered: only its maps or mask are bad."""

    row: str
    why: str
    answered: bool = False


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A bundle, and images and masks, good ones and ones with every kind of defect."""
    write_analytic(tmp_path / "bundle", fusion=FITTED)
    write_images(tmp_path / "images", [(90, 70), (60, 100), (80, 80)] * 4)
    for name, shape in (("mask", (60, 100)), ("small", (7, 9))):
        Image.fromarray(np.full(shape, 255, np.uint8)).save(tmp_path / f"{name}.png")
    image = (tmp_path / "images/view0.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(image[: len(image) // 2])
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").touch()
    (tmp_path / "half.png").write_bytes((tmp_path / "mask.png").read_bytes()[:-30])
    for name in ("vanishes", "crowded", "other", "another"):
        (tmp_path / f"{name}.png").write_bytes(image)
    return tmp_path


BAD = {
    "unknown part": Bad("images/view11.png,b,unknown,HAND,1,", "the bundle knows ELBOW, WRIST"),
    "cut short": Bad("cut.png,b,cut,ELBOW,0,", "cut short PNG"),
    "no image": Bad("text.png,b,text,ELBOW,1,", "expected a PNG"),
    "empty": Bad("empty.png,b,empty,WRIST,0,", "0 bytes"),
    "vanishes": Bad("vanishes.png,b,gone,WRIST,0,", "no such file"),
    "no memory": Bad("crowded.png,b,crowded,WRIST,0,", "out of memory: ask for less"),
}
MASKS = {
    "unreadable mask": Bad("images/view10.png,b,mask,WRIST,1,text.png", "unreadable", True),
    "mask cut short": Bad("another.png,b,half,WRIST,1,half.png", "unreadable", True),
    "mask of another size": Bad("other.png,b,size,WRIST,1,small.png", "its image has", True),
}


@pytest.fixture(autouse=True)
def images_that_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """One image is missing when it is read, another needs more memory than there is."""
    read = reading.read_radiograph

    def fails(path: Path) -> Radiograph:
        if path.name == "vanishes.png":
            image = path.read_bytes()
            path.unlink()
            try:
                return read(path)
            finally:
                path.write_bytes(image)
        if path.name == "crowded.png":
            raise MemoryError
        return read(path)

    monkeypatch.setattr(reading, "read_radiograph", fails)


def _table(work: Path, name: str, bad: Sequence[Bad]) -> Path:
    """Write a table of GOOD studies with `bad` ones among them."""
    rows = [
        f"images/view{k}.png,p{k},s{k},{('ELBOW', 'WRIST')[k % 2]},{k % 2},"
        + ("mask.png" if k in (1, 7) else "")
        for k in range(GOOD)
    ]
    for k, one in enumerate(bad):
        rows.insert(3 * k + 1, one.row)
    (work / f"{name}.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    return work / f"{name}.csv"


def _name(one: Bad) -> str:
    return one.row.split(",")[2]


def _both(work: Path, bad: Sequence[Bad]) -> Iterator[tuple[str, Path, int]]:
    yield "with", _table(work, "with", bad), INCOMPLETE
    yield "without", _table(work, "without", []), 0


def test_predict_as_json_text_and_pictures(work: Path) -> None:
    bad = list(BAD.values())
    message: dict[str, list[dict[str, Any]]] = {}
    for name, table, code in _both(work, bad):
        given = ("predict", table, "--bundle", work / "bundle")
        done = ulna(*given, "--out", work / name / "maps", "--json", code=code)
        message[name] = json.loads(done.stdout)
        text = ulna(*given, code=code).output
        assert text.count("NO ANSWER") == (len(bad) if code else 0)
    lost = [a for a in message["with"] if a["error"]]
    assert [a["study_id"] for a in lost] == [_name(b) for b in bad]
    for answer, one in zip(lost, bad, strict=True):
        assert one.why in answer["error"] and answer["probability"] is None
    assert [a for a in message["with"] if not a["error"]] == message["without"]
    assert len(message["without"]) == GOOD
    maps = [_files(work / name / "maps") for name in message]
    assert maps[0] == maps[1] and len(maps[1]) == GOOD


def _files(folder: Path) -> dict[str, bytes]:
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_predict_to_a_table(work: Path) -> None:
    bad, result = list(BAD.values()), {}
    for name, table, code in _both(work, bad):
        out = work / f"{name}-answers.csv"
        done = ulna("predict", table, "--bundle", work / "bundle", "--table", out, code=code)
        result[name] = out.read_text().splitlines()
    assert f"{len(bad)} of {GOOD + len(bad)} studies have no answer" in done.stderr or code == 0
    rows = {r["study"].rpartition("/")[2]: r for r in csv.DictReader(result["with"])}
    assert len(rows) == GOOD + len(bad)
    for one in bad:
        assert one.why in rows[_name(one)]["error"] and not rows[_name(one)]["study_probability"]
    others = [k for k, name in enumerate(["head", *rows]) if name not in {_name(b) for b in bad}]
    assert [result["with"][k] for k in others] == result["without"]


def test_evaluate_scores_the_others_and_counts_studies_without_answer_by_reason(work: Path) -> None:
    bad = [*BAD.values(), *MASKS.values()]
    for name, table, code in _both(work, bad):
        given = ("evaluate", table, "--bundle", work / "bundle", "--split", "all")
        done = ulna(*given, "--out", work / name, code=code)
        if code:
            reported = done.stderr
    assert f"{len(BAD)} of {GOOD + len(bad)} studies have no answer" in reported
    assert f"{len(MASKS)} masks could not be used" in reported
    assert f"note: {len(MASKS)} of 5 masks cannot be used" in reported.split("evaluate: ")[0]
    page, metrics = ((work / "with" / n).read_text() for n in ("report.html", "metrics.json"))
    result = json.loads(metrics)
    assert sum(r["n"] for r in result["no_answer"]) == len(BAD) == result["n_unreadable"]
    assert sum(r["n"] for r in result["no_place"]) == len(MASKS)
    for one in bad:
        assert one.why in reported and one.why in metrics
    assert page.count("without an answer</th>") == len(result["no_answer"])
    assert page.count("unusable masks</th>") == len(result["no_place"])
    _check_rows(work, bad)
    assert ulna("verify", work / "with", "--data", work / "with.csv", "--json").exit_code == 0


def _check_rows(work: Path, bad: Sequence[Bad]) -> None:
    """Check that there is a row for each study, and that good ones have the same bytes."""
    rows = {}
    for name in ("with", "without"):
        with (work / name / "predictions.csv").open(newline="") as handle:
            rows[name] = {r["study"].rpartition("/")[2]: r for r in csv.DictReader(handle)}
    for one in bad:
        row = rows["with"].pop(_name(one))
        assert one.why in row["mask_error" if one.answered else "error"]
        assert bool(row["study_probability"]) == one.answered and not row["pointing_game"]
    assert rows["with"] == rows["without"] and len(rows["without"]) == GOOD
    assert rows["without"]["s1"]["pointing_game"] == "1.0"


def test_a_single_bad_study_raises_its_own_error(work: Path) -> None:
    for one, code in ((BAD["unknown part"], 2), (BAD["no image"], 4), (BAD["no memory"], 4)):
        (work / "t.csv").write_text(f"{HEAD}\n{one.row}\n")
        done = ulna("predict", work / "t.csv", "--bundle", work / "bundle", code=code)
        assert one.why in done.stderr
    (work / "t.csv").write_text("\n".join([HEAD, BAD["no image"].row, BAD["cut short"].row]) + "\n")
    done = ulna("predict", work / "t.csv", "--bundle", work / "bundle", code=4)
    assert "none of 2 studies has an answer" in done.stderr


def test_long_or_equal_names_get_separate_folders(work: Path) -> None:
    long = "x" * 250
    names = [long + "1", long + "2", "a b", "a_b", "A_B", "ordinary"]
    rows = [f"images/view{k}.png,p,{name},WRIST,0," for k, name in enumerate(names)]
    (work / "t.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    given = ("predict", work / "t.csv", "--bundle", work / "bundle", "--out", work / "maps")
    ulna(*given)
    folders = sorted(p.name.lower() for p in (work / "maps").iterdir())
    assert len(set(folders)) == len(names) and "wrist_p_ordinary" in folders
    assert len(list((work / "maps").rglob("*.png"))) == len(names)


def test_an_output_that_cannot_be_written_affects_only_its_own_study(work: Path) -> None:
    table = _table(work, "t", [])
    maps = work / "maps"
    given = ("predict", table, "--bundle", work / "bundle", "--out", maps)
    ulna(*given)
    whole = _files(maps)
    for path in maps.rglob("*.png"):
        path.unlink()
    (maps / "ELBOW_p2_s2").rmdir()
    (maps / "ELBOW_p2_s2").write_text("a file where a folder should be")
    (maps / "WRIST_p5_s5/1_view5.png").mkdir()
    done = ulna(*given, "--json", code=INCOMPLETE)
    answers = json.loads(done.stdout)
    assert all(a["error"] is None and a["probability"] is not None for a in answers)
    bad = [a for a in answers if a["map_error"]]
    assert [a["study_id"] for a in bad] == ["s2", "s5"]
    assert "ELBOW_p2_s2" in bad[0]["map_error"] and "1_view5.png" in bad[1]["map_error"]
    assert "of 2 of 10 studies not all heat maps could be written" in done.stderr
    lost = ("ELBOW_p2_s2", "WRIST_p5_s5")
    kept = {n: b for n, b in _files(maps).items() if not n.startswith(lost)}
    assert kept == {n: b for n, b in whole.items() if not n.startswith(lost)}
    assert "heat maps not written" in ulna(*given, code=INCOMPLETE).stdout


def _full(after: int) -> Callable[[Path, bytes], None]:
    """Return `write_atomic` for a disk that is full after some files."""
    written: list[Path] = []

    def refuses(path: Path, data: bytes) -> None:
        written.append(path)
        with atomic_file(path) as stream:
            stream.write(data if len(written) <= after else data[:9])
            if len(written) > after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    return refuses


def test_a_full_disk_loses_no_answer_and_leaves_no_partial_picture(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "write_atomic", _full(3))
    table, maps = _table(work, "t", []), work / "maps"
    done = ulna(
        "predict", table, "--bundle", work / "bundle", "--out", maps, "--json", code=INCOMPLETE
    )
    answers = json.loads(done.stdout)
    assert len(answers) == GOOD and not any(a["error"] for a in answers)
    assert sum("free some space" in (a["map_error"] or "") for a in answers) == GOOD - 3
    files = [p for p in maps.rglob("*") if p.is_file()]
    assert len(files) == 3
    for file in files:
        with Image.open(file) as picture:
            picture.load()


def test_an_image_whose_name_is_no_utf_8_is_predicted_and_evaluated(work: Path) -> None:
    odd = os.fsencode(work / "set/train/XR_WRIST")
    for k in range(4):
        folder = odd + f"/patient0000{k}/study1_{('negative', 'positive')[k % 2]}/".encode()
        os.makedirs(folder)
        name = b"image\xff\r1.png" if k == 2 else b"image1.png"
        os.link(work / f"images/view{k}.png", folder + name)
    given = (work / "set", "--bundle", work / "bundle")
    ulna("evaluate", *given, "--split", "all", "--out", work / "out")
    with (work / "out/predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 4 and all(r["study_probability"] for r in rows)
    assert any("image\\udcff" in r["image"] for r in rows)
    assert "receipt.json" in {p.name for p in (work / "out").iterdir()}
    ulna("verify", work / "out", "--data", work / "set", "--bundle", work / "bundle")
    answers = json.loads(ulna("predict", *given, "--json", "--out", work / "maps").stdout)
    assert len(answers) == 4 and len(list((work / "maps").rglob("*.png"))) == 4


def test_a_folder_in_place_of_an_output_is_refused_before_any_work(work: Path) -> None:
    table = _table(work, "t", [])
    for name in ("report.html", "predictions.csv", "receipt.json", "metrics.json.partial"):
        (work / "out" / name).mkdir(parents=True)
        given = ("evaluate", table, "--bundle", work / "bundle", "--split", "all")
        done = ulna(*given, "--out", work / "out", code=2)
        assert name in done.stderr and "evaluating" not in done.stderr
        (work / "out" / name).rmdir()


def test_a_ranking_that_cannot_be_made_is_refused_before_any_work(work: Path) -> None:
    table = _table(work, "t", [])
    done = ulna("predict", table, "--bundle", work / "bundle", "--worklist", code=2)
    assert "studies cannot be ranked" in done.stderr and not done.stdout
    given = ("predict", table, "--bundle", work / "bundle", "--operating-point", "none")
    assert "operating point 'none'" in ulna(*given, code=2).stderr
