"""`ulna stress` of phantoms or a table: its four files, and its errors."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.calls import ulna
from tests.evaluation.synthetic_studies import write_blob_bundle, write_studies

from ulna.cli.main import cli
from ulna.corruptions import CORRUPTIONS


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """48 studies as a table, half of them held out; a cast on some, two widths, millimetres."""
    file = tmp_path / "table.csv"
    columns = ["path", "patient_id", "study_id", "body_part", "abnormal", "split", "view"]
    columns += ["findings", "cast", "source_width", "spacing_mm"]
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        for k, study in enumerate(write_studies(tmp_path, 48)):
            split = "train" if k < 24 else "valid"
            findings = ";".join(c.value for c in study.categories or ())
            own = [findings, int(k % 4 == 0), 300 + 100 * (k % 9), 0.1 + k / 100]
            for image in study.images:
                head = [image.path.name, study.patient_id, study.study_id, study.body_part]
                writer.writerow([*head, int(bool(study.abnormal)), split, image.view, *own])
    return file


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_blob_bundle(tmp_path / "bundle").path


@pytest.mark.slow
def test_a_table_from_end_to_end(table: Path, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "stress"
    arguments = (table, "--bundle", bundle, "--out", out, "--studies", 8, "--seed", 4)
    done = ulna("stress", *arguments, "--by", "source_width:700", "--json")
    result = json.loads(done.stdout)
    assert "24 studies (held out by the data set)" in done.stderr
    assert list(result["corruptions"]) == list(CORRUPTIONS)
    assert result["sample"] | {"n_patients": 0} == {
        "n_studies": 8,
        "n_abnormal": 4,
        "n_patients": 0,
        "n_images": 16,
        "of_studies": 24,
        "seed": 4,
        "input_pixel_mm": pytest.approx((0.1 + 35.5 / 100) * 2),
    }
    groups = result["subgroups"]["study"]
    assert {"cast", "source_width", "pixel size"} <= set(groups)
    assert groups["cast"]["yes"]["n"] == 6
    assert result["leave_one_view_out"]["n_left_out"] == 48
    assert {p.name for p in out.iterdir()} == {
        "stress.json",
        "stress.csv",
        "stress.html",
        "stress.png",
        "receipt.json",
    }
    assert "stress.html" in ulna("verify", out, "--bundle", bundle).stdout
    again = json.loads(ulna("stress", *arguments, "--json").stdout)
    assert again["corruptions"] == result["corruptions"]
    text = ulna("stress", *arguments).stdout
    assert "where it breaks: 8 of 24 studies, seed 4" in text
    assert "quantum noise" in text and "report:" in text


def test_what_is_refused_is_refused_in_two_lines(table: Path, bundle: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    for arguments, code, message in (
        ((table, "--bundle", tmp_path / "none", *out), 5, "none"),
        ((tmp_path / "none.csv", "--bundle", bundle, *out), 3, "no such file"),
        ((table, "--bundle", bundle, *out, "--by", "metal"), 2, "column 'metal'"),
        ((table, "--bundle", bundle, *out, "--operating-point", "best"), 2, "'best'"),
        ((table, "--bundle", bundle, *out, "--studies", 0), 2, "--studies"),
        ((table, "--bundle", bundle, *out, "--run", tmp_path), 2, "no split.json"),
    ):
        done = ulna("stress", *arguments, code=code)
        assert message in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_phantoms_are_grouped_by_casts_and_markers(tmp_path: Path) -> None:
    made = CliRunner().invoke(
        cli,
        ["phantom", str(tmp_path / "p"), "--studies", "24", "--seed", "5", "--size", "96"]
        + ["--valid-share", "1"],
    )
    assert made.exit_code == 0, made.output
    bundle = write_blob_bundle(tmp_path / "bundle").path
    arguments = (tmp_path / "p", "--bundle", bundle, "--out", tmp_path / "o", "--studies", 2)
    result = json.loads(ulna("stress", *arguments, "--json").stdout)
    images = result["subgroups"]["image"]
    assert {"view", "marker", "pixel size"} <= set(images)
    assert result["subgroups"]["study"]["views"]["single"]["n"] > 0
    (tmp_path / "p" / "phantom.json").write_text("{}")
    done = ulna("stress", *arguments, "--json")
    assert "note: which phantoms have a marker" in done.stderr
    assert "marker" not in json.loads(done.stdout)["subgroups"]["image"]
