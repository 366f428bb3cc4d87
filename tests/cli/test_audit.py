"""`ulna audit`: table, sentence and figure, and errors for data that cannot be audited."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.calls import ulna

from ulna.metrics.bootstrap import Interval
from ulna.report.render import fill
from ulna.report.sections.audit import content
from ulna.report.sections.folders import read_included
from ulna.training.audit import AuditResult, AuditStep


def _table(folder: Path, parts: tuple[str, ...]) -> Path:
    lines = ["path,patient_id,study_id,body_part,abnormal"]
    for i in range(24):
        image = np.random.default_rng(i).uniform(0, 100 + 100 * (i % 2), (40, 32)).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{i}.png")
        lines.append(f"{i}.png,p{i},s{i},{parts[i % len(parts)]},{i // 2 % 2}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder / "table.csv"


def test_the_waterfall_is_printed_saved_and_drawn(tmp_path: Path) -> None:
    table = _table(tmp_path, ("ELBOW", "WRIST"))
    command = ("audit", table, "--out", tmp_path / "out", "--epochs", 2, "--size", 32)
    done = ulna(*command)
    for words in ("as the prototype", "wrong target", "leakage", "is left", "kappa by study"):
        assert words in done.output
    result = json.loads((tmp_path / "out/audit.json").read_text())
    assert [s["name"] for s in result["steps"]][0] == "as the prototype"
    assert result["steps"][0]["change"] is None and len(result["steps"]) == 5
    with Image.open(tmp_path / "out/audit.png") as picture:
        assert picture.width > 800
    assert json.loads(ulna("verify", tmp_path / "out", "--json").stdout)["equal"]
    (tmp_path / "out/audit.json").write_text("{}")
    ulna("verify", tmp_path / "out", code=9)
    assert json.loads(ulna(*command, "--json").stdout)["steps"] == result["steps"]


def test_an_undefined_kappa_is_null_in_json_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test part of one class has no kappa; NaN is no JSON, and `ulna evaluate` reads the file."""
    sure, same = Interval(1.0, 1.0, 1.0), Interval(0.0, 0.0, 0.0)
    steps = (
        AuditStep("as the prototype", "", "image", 8, 1.0, sure, None),
        AuditStep("by study", "image against study", "study", 8, 1.0, sure, same),
    )
    result = AuditResult(steps, float("nan"), 8, 8, 8, ("ELBOW", "WRIST"))
    monkeypatch.setattr("ulna.training.audit.audit", lambda *_: result)
    out = tmp_path / "out"
    done = ulna("audit", _table(tmp_path, ("ELBOW", "WRIST")), "--out", out)
    assert "kappa by study undefined" in done.output
    text = (out / "audit.json").read_text()
    assert "NaN" not in text and json.loads(text)["kappa"] is None
    (included,) = read_included([out])
    assert "by study: undefined." in fill("sections/audit.html.j2", content(included))


def test_one_region_is_not_enough(tmp_path: Path) -> None:
    done = ulna("audit", _table(tmp_path, ("ELBOW",)), "--out", tmp_path / "out", code=3)
    assert "at least two regions" in done.output and not (tmp_path / "out").exists()
