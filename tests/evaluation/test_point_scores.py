"""Rates at every operating point are those of deciding there; counts of confidence add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sklearn.metrics import recall_score
from tests.evaluation.synthetic_studies import PARTS

from ulna.bundle import FusionParameters, Manifest
from ulna.evaluation.point_scores import point_scores
from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Resampling

HOW = Resampling(20)
LEVELS = {"sensitive": 0.2, "specificity_0.90": 0.4, "specific": 0.6}


@pytest.fixture
def fusion(manifest: Manifest) -> FusionParameters:
    """Calibrated, with three points; the rows of `make_rows` are decided at 0.4."""
    thresholds = {point: dict.fromkeys(PARTS, level) for point, level in LEVELS.items()}
    return replace(manifest.fusion, thresholds=thresholds, n_calibration_studies=36)


def test_rates_are_those_of_deciding_at_each_point(
    make_rows: Callable[[int], list[StudyRow]], fusion: FusionParameters
) -> None:
    rows = make_rows(36)
    result = point_scores(rows, fusion, "specificity_0.90", HOW)
    truth = [bool(r.abnormal) for r in rows]
    for point, level in LEVELS.items():
        called = [r.given.probability >= level for r in rows if r.given]
        entry = result["operating_points"][point]["ALL"]
        assert entry["sensitivity"]["value"] == pytest.approx(recall_score(truth, called))
        expected = recall_score(truth, called, pos_label=False)
        assert entry["specificity"]["value"] == pytest.approx(expected)
    for label, abnormal in (("normal", False), ("abnormal", True)):
        p = [r.given.probability for r in rows if r.given and bool(r.abnormal) == abnormal]
        assert result["confidence"]["ALL"][label] == {
            "certain": sum(v >= 0.6 for v in p),
            "doubtful": sum(0.2 <= v < 0.6 for v in p),
            "none": sum(v < 0.2 for v in p),
        }
    parts = [result["confidence"][p.value]["normal"]["none"] for p in PARTS]
    assert sum(parts) == result["confidence"]["ALL"]["normal"]["none"]


def test_nothing_is_said_of_other_thresholds(
    make_rows: Callable[[int], list[StudyRow]], fusion: FusionParameters
) -> None:
    rows = make_rows(12)
    assert point_scores(rows, replace(fusion, n_calibration_studies=0), "specific", HOW) == {}
    fewer = {n: t for n, t in fusion.thresholds.items() if n != "specific"}
    result = point_scores(rows, replace(fusion, thresholds=fewer), "specificity_0.90", HOW)
    assert list(result) == ["operating_points"]
    # As in a cross-validation: decided at 0.4, while this point has 0.6.
    assert point_scores(rows, fusion, "specific", HOW) == {}
