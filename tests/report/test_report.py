"""The report: complete, self-contained, and clear about its data and limits."""

import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.evaluation.synthetic_studies import PARTS
from tests.report.page_checker import Checker

from ulna.bundle import FindingCalibration, Manifest, ModelBundle
from ulna.evaluation.pipeline import EvaluationSettings, write_evaluation
from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Resampling
from ulna.report.gallery import build_gallery
from ulna.report.page import write_report
from ulna.types import FindingCategory

MakeRows = Callable[[int], list[StudyRow]]


@pytest.fixture
def page(make_rows: MakeRows, manifest: Manifest, tmp_path: Path) -> str:
    return render(make_rows(36), manifest, tmp_path)


def render(rows: list[StudyRow], manifest: Manifest, out: Path) -> str:
    bundle = ModelBundle(out, manifest, "ab" * 32)
    resampling = Resampling(draws=20)
    write_evaluation(
        bundle,
        rows,
        out,
        EvaluationSettings("specificity_0.90", resampling),
        ["a <warning>"],
        write_report,
    )
    return (out / "report.html").read_text(encoding="utf-8")


def test_page_loads_nothing(page: str) -> None:
    assert "http" not in page and "//" not in re.sub(r"base64,[\w+/=]+", "", page)
    assert "url(" not in re.sub(r"url\(#", "", page)
    checker = Checker()
    checker.feed(page)
    assert all(load.startswith(("data:image/", "#")) for load in checker.loads)
    assert checker.open == []


def test_page_says_what_it_is(page: str) -> None:
    for words in (
        "Not a medical device",
        "Phantoms.",
        "Model card",
        "its best expert",
        "True negatives",
        "Brier",
        "a &lt;warning&gt;",
        "ab" * 32,
    ):
        assert words in page
    assert len(page) < 8_000_000


def test_every_number_of_the_table_is_in_the_page(
    page: str, make_rows: MakeRows, tmp_path: Path
) -> None:
    import json

    metrics = json.loads((tmp_path / "metrics.json").read_text())
    for scores in metrics["by_body_part"].values():
        for name in ("auroc", "kappa", "ece", "precision"):
            value = scores[name]["value"]
            assert value is None or f"<b>{value:.3f}</b>" in page


def test_the_page_shows_findings_by_category(
    make_rows: MakeRows, manifest: Manifest, tmp_path: Path
) -> None:
    import json

    kinds = (FindingCategory.FRACTURE, FindingCategory.HARDWARE)
    rng = np.random.default_rng(0)
    rows = []
    for row in make_rows(36):
        stated = {c: 0.5 * (c in row.categories) + 0.5 * float(rng.random()) for c in kinds}
        called = row.given is not None and row.given.abnormal
        given = replace(
            row.given,
            findings=stated,
            finding_thresholds=dict.fromkeys(kinds, 0.5),
            leading_finding=max(stated, key=lambda c: stated[c]) if called else None,
        )
        labels = {c: c in row.categories for c in FindingCategory}
        rows.append(replace(row, given=given, finding_labels=labels))
    calibration = {c: FindingCalibration(1.0, 0.0, {"specificity_0.90": 0.5}, 9, 9) for c in kinds}
    fusion = replace(manifest.fusion, findings=calibration)
    fusion = replace(fusion, thresholds={"specificity_0.90": dict.fromkeys(PARTS, 0.5)})
    named = replace(manifest, categories=(*kinds, FindingCategory.DISLOCATION), fusion=fusion)
    page = render(rows, named, tmp_path)
    result = json.loads((tmp_path / "metrics.json").read_text())
    assert result["findings_unknown"] == ["dislocation"]
    for own in result["findings"]["ALL"]["categories"].values():
        assert f"<b>{own['auroc']['value']:.3f}</b>" in page
    assert "Findings by category" in page and "The leading finding" in page
    assert "too few labels: dislocation" in page and "called hardware (p =" in page
    checker = Checker()
    checker.feed(page)
    assert checker.open == []


def test_the_page_names_answers_by_the_meaning_of_the_label(
    make_rows: MakeRows, manifest: Manifest, tmp_path: Path
) -> None:
    plain = render(make_rows(18), manifest, tmp_path)
    assert "Answers: fracture" not in plain and "“Abnormal” is this bundle’s word" in plain
    recipe = replace(manifest.recipe, abnormal_means="fracture")
    page = render(make_rows(18), replace(manifest, recipe=recipe), tmp_path)
    assert "Answers: fracture or no fracture." in page
    assert "<th>no fracture</th><th>fracture</th>" in page
    assert "“Fracture” is this bundle’s word" in page
    assert "Findings by category" not in page


def test_real_data_are_not_called_phantoms(
    make_rows: MakeRows, manifest: Manifest, tmp_path: Path
) -> None:
    rows = [
        replace(
            r,
            images=tuple(
                replace(i, ref=replace(i.ref, findings=(), mask=None), location=None)
                for i in r.images
            ),
            subtlety=None,
        )
        for r in make_rows(12)
    ]
    page = render(rows, manifest, tmp_path)
    assert "Phantoms." not in page and "Trained on phantoms" in page
    assert "Localisation</h2>" not in page
    real = replace(manifest, data=replace(manifest.data, kind="table"))
    assert "hantom" not in render(rows, real, tmp_path).replace("“phantoms”", "")


def test_a_class_or_an_expert_may_be_missing(
    make_rows: MakeRows, manifest: Manifest, tmp_path: Path
) -> None:
    rows = [replace(r, experts={}) for r in make_rows(12) if not r.abnormal]
    rows = [replace(r, images=tuple(replace(i, experts={}) for i in r.images)) for r in rows]
    assert "nothing to compare" in render(rows, manifest, tmp_path)


def test_gallery_groups_by_outcome_and_balances_parts(make_rows: MakeRows) -> None:
    rows = make_rows(72)
    groups = {g.name: g for g in build_gallery(rows, 4.0)}
    hits = sum(bool(r.abnormal) and r.given.abnormal for r in rows)
    misses = sum(bool(r.abnormal) and not r.given.abnormal for r in rows)
    assert (groups["True positives"].total, groups["False negatives"].total) == (hits, misses)
    assert sum(g.total for g in groups.values()) == 72
    titles = [c.title for c in groups["True positives"].cards]
    assert len(titles) == 9
    assert {t.split()[0].upper() for t in titles[:3]} == {p.value for p in PARTS}


def test_a_map_of_zero_leaves_the_image_unchanged(make_rows: MakeRows) -> None:
    rows = [r for r in make_rows(12) if not r.abnormal]
    card = next(g for g in build_gallery(rows, 4.0) if g.name == "True negatives").cards[0]
    image, overlay = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))
        for uri in (card.image, card.overlay)
    )
    np.testing.assert_array_equal(image, overlay)


def test_a_missing_image_is_left_out(make_rows: MakeRows) -> None:
    rows = make_rows(6)
    for row in rows:
        for image in row.images:
            image.ref.path.unlink()
    assert all(g.cards == () for g in build_gallery(rows, 4.0))


@pytest.mark.parametrize(
    ("low", "high", "heading", "message"),
    [
        (0.2, 0.4, "examination passed", "passed 1 of 1"),
        (-0.1, 0.3, "examination not passed", "undecided on so few: deletion"),
        (-0.3, -0.1, "examination not passed", "failed deletion"),
    ],
)
def test_the_verdict_of_the_maps_heads_the_report(
    low: float, high: float, heading: str, message: str
) -> None:
    from ulna.bundle import DEMONSTRATION_BUNDLE, MapExamination, MapTest, read_bundle
    from ulna.report.card import map_banner

    manifest = read_bundle(DEMONSTRATION_BUNDLE).manifest
    test = MapTest("deletion", (low + high) / 2, low, high, 0.0, True)
    result = MapExamination("images", 40, (test,), {})
    banner = map_banner(replace(manifest, map_examination=result))
    assert heading in str(banner["heading"]) and message in str(banner["sentence"])
    assert banner["passed"] is (low > 0)
    none = map_banner(replace(manifest, map_examination=None))
    assert "not examined" in str(none["heading"]) and not none["passed"]
