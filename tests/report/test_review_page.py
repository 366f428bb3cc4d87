"""The page of probable label errors: self-contained, accessible, and clear about its maps."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.synthetic_studies import predict, write_studies
from tests.report.page_checker import Checker

pytest.importorskip("cleanlab", reason="needs the extra review")

from ulna.labels.label_errors import LabelError
from ulna.report.review_page import (
    VIEWS,
    MapScale,
    count_by_part,
    show_label_error,
    write_review_page,
)

SCALE = MapScale(threshold=2.0, limit=6.0)


def _label_errors(folder: Path, n: int = 12) -> list[LabelError]:
    return [
        LabelError(
            rank=rank,
            study=study,
            body_part=str(study.body_part),
            fold=f"fold{rank % 2}",
            probability=0.9,
            quality=rank / n,
            flagged=rank <= 4,
            reasons=(f"reason <{rank}>", "a second one"),
        )
        for rank, study in enumerate(write_studies(folder, n), start=1)
    ]


def _page(folder: Path, maps: bool) -> str:
    rng = np.random.default_rng(0)
    label_errors = _label_errors(folder)
    entries = []
    for s in label_errors[:6]:
        assert s.study.body_part is not None
        answer = predict(s.study, s.study.body_part, rng) if maps else None
        entries.append(show_label_error(s, answer, SCALE if maps else None))
    about = {"data": "a & b", "predictions": "cv", "phantoms": maps, "notes": ["a <note>"]}
    write_review_page(label_errors, entries, SCALE if maps else None, about, folder / "review.html")
    return (folder / "review.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("maps", [True, False])
def test_page_loads_nothing_and_is_spoken(tmp_path: Path, maps: bool) -> None:
    page = _page(tmp_path, maps)
    assert "http" not in page and "//" not in re.sub(r"base64,[\w+/=]+", "", page)
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert all(load.startswith(("data:image/", "#")) for load in checker.loads)
    assert all(checker.spoken) and len(checker.spoken) >= 12
    assert '<html lang="en">' in page and page.count("<h1>") == 1
    assert not list(tmp_path.glob("*.partial"))


def test_page_names_labels_by_their_meaning(tmp_path: Path) -> None:
    label_errors = _label_errors(tmp_path)
    about = {"data": "a", "predictions": "cv", "phantoms": False, "notes": []}
    words = {"words": ("fracture", "no fracture")}
    write_review_page(label_errors, [], None, {**about, **words}, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Answers: fracture or no fracture." in page and "labelled no fracture" in page


def test_page_says_what_it_is_and_why(tmp_path: Path) -> None:
    page = _page(tmp_path, maps=True)
    for words in (
        "Not a medical device",
        "A suspicion, not a verdict",
        "Phantoms.",
        "12 labelled studies, 4 flagged; the first 6 are shown",
        "reason &lt;1&gt;",
        "a &lt;note&gt;",
        "a &amp; b",
        "experts that have not seen it",
        "+6.0 logits",
        "6 more studies",
    ):
        assert words in page, words
    assert page.count("flagged</span>") == 4
    assert re.findall(r"<h3><b>(\d+)</b>", page) == [str(k) for k in range(1, 7)]
    assert "map up to" in page or "map stays below" in page


def test_without_maps_none_are_claimed(tmp_path: Path) -> None:
    page = _page(tmp_path, maps=False)
    assert "logits" not in page and "with map" not in page and "Phantoms." not in page
    # where the data contain the finding's place, the image is shown with its outline too
    assert "with outline" in page and 'class="single"' in page


def test_missing_or_too_many_images_get_a_remark(tmp_path: Path) -> None:
    label_error = _label_errors(tmp_path, 3)[0]
    image, other = label_error.study.images
    missing = replace(image, path=tmp_path / "gone.png", view="LAT")
    study = replace(label_error.study, images=(missing, *[other] * (VIEWS + 1)))
    entry = show_label_error(replace(label_error, study=study), None, None)
    assert len(entry.cards) == VIEWS - 1
    assert any(r.startswith("LAT cannot be shown") for r in entry.remarks)
    assert "2 more views are not shown here" in entry.remarks


def test_counts_by_part_add_up(tmp_path: Path) -> None:
    label_errors = _label_errors(tmp_path)
    counts = count_by_part(label_errors)
    assert sum(c["n"] for c in counts.values()) == 12
    flagged = sum(c["flagged_normal"] + c["flagged_abnormal"] for c in counts.values())
    assert flagged == sum(s.flagged for s in label_errors)
    assert sum(c["n_abnormal"] for c in counts.values()) == 6
