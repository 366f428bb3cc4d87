"""Results of other commands become sections; anything else is refused before the evaluation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report import written_folders as written
from tests.report.page_checker import Checker

from ulna.bundle import Manifest, MapExamination, MapTest, ModelBundle
from ulna.bundle.io import manifest_hash
from ulna.config.codec import to_json
from ulna.errors import ConfigError, VerificationError
from ulna.evaluation.pipeline import EvaluationSettings, write_evaluation
from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Resampling
from ulna.report.page import write_report
from ulna.report.sections.folders import MAIN_FILES, read_included
from ulna.report.sections.section import Section, absent, build_sections

CONTENTS: dict[str, Callable[[], Any]] = {
    "stress": written.stress_json,
    "examine": written.examination_json,
    "review": written.review_rows,
    "score": written.score_json,
    "audit": written.audit_json,
}
NUMBERS = {
    "stress": ("0.5 px", "−0.123", "23.4 %", "34.5 %", "0.046", "0.611", "0.822", "seed 3"),
    "examine": ("+0.583", "−0.011", "0.666", "0.083", "UNRELIABLE, failed insertion", "one expert"),
    "review": ("5 of 12 labels", "0.91", "0.01", "HAND/p0/s0", "ELBOW/p9/s9"),
    "score": ("0.678", "0.521–0.835", "0.507–0.829", "41", "22–77", "not told apart", "−0.13"),
    "audit": ("0.943", "0.621", "−0.322", "0.357", "0.240", "784 studies"),
}


def sections_of(folders: list[Path], bundle: ModelBundle) -> list[Section]:
    return build_sections(read_included(folders), bundle)


@pytest.fixture
def bundle(manifest: Manifest, tmp_path: Path) -> ModelBundle:
    return ModelBundle(tmp_path, manifest, written.HASH)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {v: written.write_folder(v, tmp_path / v, make()) for v, make in CONTENTS.items()}


@pytest.mark.parametrize("verb", list(CONTENTS))
def test_the_numbers_of_the_file_are_in_the_section(
    verb: str, folders: dict[str, Path], bundle: ModelBundle
) -> None:
    (section,) = sections_of([folders[verb]], bundle)
    for number in NUMBERS[verb]:
        assert number in section.body
    assert section.remarks == ()
    facts = dict(section.facts)
    assert facts["Command"] == f"ulna {verb} 'my images' --seed 3"
    assert "80 studies, 160 images; held out; efefefefefef" in facts["Data"]
    assert facts.get("Bundle") == ("ab" * 6 if verb in ("stress", "examine") else None)


def test_a_stress_folder_of_an_earlier_version_reads_the_same(
    folders: dict[str, Path], bundle: ModelBundle, tmp_path: Path
) -> None:
    """An earlier version called the amount 'told' and an image 'film'."""
    older = written.stress_json()
    for row in older["where_it_breaks"]:
        if "amount_text" in row:
            row["told"] = row.pop("amount_text")
        row["level"] = "film" if row.get("level") == "image" else row.get("level")
    old = written.write_folder("stress", tmp_path / "old", older)
    (today,), (before,) = (sections_of([f], bundle) for f in (folders["stress"], old))
    assert before.body == today.body and "0.5 px" in before.body


def test_ten_of_the_list_are_shown_and_counts_are_of_all(
    folders: dict[str, Path], bundle: ModelBundle
) -> None:
    (section,) = sections_of([folders["review"]], bundle)
    assert "p9/s9" in section.body and "p10/s10" not in section.body
    row = re.search(r"<th>All</th>(.*?)</tr>", section.body)
    assert row and re.findall(r"<td>(\d+)</td>", row[1]) == ["12", "4", "3", "2"]


def test_page_holds_all_and_loads_nothing(
    folders: dict[str, Path],
    bundle: ModelBundle,
    make_rows: Callable[[int], list[StudyRow]],
    tmp_path: Path,
) -> None:
    sections = sections_of(list(folders.values()), bundle)
    assert [s.id for s in sections] == list(MAIN_FILES)

    def report(b: ModelBundle, rows: Any, metrics: Any, out: Path) -> None:
        write_report(b, rows, metrics, out, sections)

    out = tmp_path / "out"
    write_evaluation(
        bundle,
        make_rows(12),
        out,
        EvaluationSettings("specificity_0.90", Resampling(20)),
        [],
        report,
    )
    page = (out / "report.html").read_text("utf-8")
    checker = Checker()
    checker.feed(page)
    assert checker.open == [] and "http" not in page
    assert all(load.startswith(("data:image/", "#")) for load in checker.loads)
    assert {f"#{v}" for v in MAIN_FILES} <= set(checker.loads)
    places = [page.index(f'id="{name}"') for name in ("scores", *MAIN_FILES, "gallery")]
    assert places == sorted(places)
    assert 'id="absent"' not in page and "Not in this report" not in page
    # Names in the files are escaped.
    assert "a &lt;folder&gt;" in page and "&lt;b&gt;LAT" in page and "<b>LAT" not in page
    # The scored predictions are not those of this report.
    assert "Scored from a table of predictions other than" in page


def test_what_is_not_included_is_named(folders: dict[str, Path], bundle: ModelBundle) -> None:
    assert len(absent([])) == 5
    some = absent(sections_of([folders["audit"], folders["review"]], bundle))
    commands = [command.split()[1] for _, command in some]
    assert commands == ["stress", "examine", "score"]


@pytest.mark.parametrize("verb", ["stress", "examine"])
def test_another_bundle_gets_a_remark_but_an_added_verdict_does_not(
    verb: str, folders: dict[str, Path], bundle: ModelBundle
) -> None:
    other = replace(bundle, hash="cd" * 32)
    (section,) = sections_of([folders[verb]], other)
    assert "Made with bundle abababababab, not with cdcdcdcdcdcd" in section.remarks[0]
    # Stress before the examination: its verdict changes the hash of the bundle only.
    test = MapTest("insertion", 0.2, 0.1, 0.3, 0.0, True)
    before = manifest_hash(to_json(bundle.manifest))
    verdict = MapExamination("images", 12, (test,), {})
    examined = replace(bundle, manifest=replace(bundle.manifest, map_examination=verdict))
    result = CONTENTS[verb]() | {"bundle": {"hash": before} if verb == "stress" else before}
    folder = written.write_folder(verb, bundle.path / "again", result)
    (section,) = sections_of([folder], replace(examined, hash="ef" * 32))
    assert section.remarks == ()


def test_two_of_a_kind_are_two_sections(folders: dict[str, Path], bundle: ModelBundle) -> None:
    second = written.write_folder("audit", bundle.path / "second", written.audit_json(), False)
    result = sections_of([second / "audit.json", folders["audit"]], bundle)
    assert [s.id for s in result] == ["audit", "audit-2"]
    assert result[1].title.endswith("(2)")
    assert (
        "the origin of these numbers is not known" in result[0].remarks[0] and not result[0].facts
    )
    with pytest.raises(ConfigError, match="included twice"):
        read_included([second, second / "audit.json"])


def test_altered_files_are_refused(folders: dict[str, Path]) -> None:
    for verb, folder in folders.items():
        file = folder / MAIN_FILES[verb]
        file.write_text(file.read_text() + " ")
        with pytest.raises(VerificationError, match=rf"{file.name}: SHA-256 .* altered"):
            read_included([folder])


def test_folders_of_anything_else_are_refused(tmp_path: Path, folders: dict[str, Path]) -> None:
    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.mkdir()
    other.mkdir()
    (other / "metrics.json").write_text("{}")
    for path, message in (
        (tmp_path / "none", "no such folder"),
        (empty, "empty"),
        (other, r"holds metrics.json: expected a folder with one of stress.json"),
        (other / "metrics.json", "a file of another name"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_included([path])
    both = folders["audit"]
    (both / "stress.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"holds stress.json and audit.json"):
        read_included([both])
    with pytest.raises(ConfigError, match="is of `ulna audit`"):
        read_included([both / "stress.json"])


@pytest.mark.parametrize("verb", list(CONTENTS))
def test_damaged_files_are_refused_by_name(verb: str, tmp_path: Path, bundle: ModelBundle) -> None:
    name = MAIN_FILES[verb]
    for number, text in enumerate(("{}", "[1]", '{"a": 1}', "rank,flagged\n1,x\n", "null", "{")):
        folder = tmp_path / f"damaged{number}"
        folder.mkdir()
        (folder / name).write_text(text)
        with pytest.raises(ConfigError, match=f"{name}: (cannot be read|not what `ulna {verb}`)"):
            sections_of([folder], bundle)


def test_a_wrong_type_inside_is_refused(tmp_path: Path, bundle: ModelBundle) -> None:
    result = written.audit_json()
    result["steps"][0]["accuracy"]["value"] = "<script>"
    folder = written.write_folder("audit", tmp_path / "odd", result)
    with pytest.raises(ConfigError, match="not what `ulna audit` writes"):
        sections_of([folder], bundle)
    assert json.loads((folder / "audit.json").read_text())["steps"]
