"""Triage over rows: counts by hand, intervals by SciPy, coverage after calibration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special, stats

from ulna.bundle import Manifest
from ulna.calibration import fit_fusion
from ulna.evaluation.rows import Answer, StudyRow
from ulna.evaluation.triage_scores import binomial_interval, triage_scores
from ulna.runtime.conformal import p_values
from ulna.types import BodyPart, ImageRef, Study

PARTS = (BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST)


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (3, 11), (240, 250), (1, 1)])
def test_intervals_are_those_of_scipy(hits: int, n: int) -> None:
    wanted = stats.binomtest(hits, n).proportion_ci(0.95, "exact")
    assert binomial_interval(hits, n) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def _row(number: int, abnormal: bool, p_normal: float, p_abnormal: float) -> StudyRow:
    answer = Answer(BodyPart.WRIST, 0.5, True, 0.5, p_normal, p_abnormal)
    part = BodyPart.WRIST
    return StudyRow(f"s{number}", f"p{number}", part, abnormal, given=answer, recognised=answer)


def test_counts() -> None:
    result = triage_scores(
        [
            _row(0, False, 0.60, 0.02),  # called normal, rightly
            _row(1, False, 0.60, 0.40),  # both remain
            _row(2, False, 0.03, 0.70),  # called abnormal, wrongly
            _row(3, True, 0.02, 0.80),  # called abnormal, rightly
            _row(4, True, 0.50, 0.04),  # called normal, wrongly
            _row(5, True, 0.01, 0.01),  # neither remains
        ]
    )
    assert result is not None
    group = result["0.05"]["WRIST"]
    assert group == result["0.05"]["ALL"]
    counted = ("n_studies", "n_referred", "n_wrong", "n_called_normal", "n_called_abnormal")
    assert [group[name] for name in counted] == [6, 2, 2, 2, 2]
    assert group["n_abnormal_called_normal"] == 1
    assert group["normal"]["value"] == pytest.approx(2 / 3)
    assert group["abnormal"]["value"] == pytest.approx(1 / 3)
    assert group["abnormal"]["holds"] is False


def test_without_p_values_there_is_none() -> None:
    row = _row(0, False, 0.5, 0.5)
    assert row.given is not None
    assert triage_scores([replace(row, given=replace(row.given, p_normal=None))]) is None


def _outputs(n: int, seed: int) -> list[SimpleNamespace]:
    """n studies of one view per part, seen through noise that depends on the part."""
    rng = np.random.default_rng(seed)
    result = []
    for k in range(n * 3):
        z = rng.normal(0, 2.0)
        label = bool(rng.random() < special.expit(z))
        study = Study(f"p{seed}-{k}", "s", PARTS[k % 3], (ImageRef(Path("a.png")),), label)
        logit = 2 * (z + rng.normal(k % 3, 1.0))
        cam = rng.normal(0, 1, (3, 7, 7))
        cam += logit + 1 - cam.mean(axis=(1, 2), keepdims=True)
        experts = {e: SimpleNamespace(abnormal=np.full(3, logit), cam=cam) for e in ("cnn", "tiny")}
        result.append(SimpleNamespace(study=study, images=(SimpleNamespace(experts=experts),)))
    return result


def test_calibrated_bundles_keep_the_promise(manifest: Manifest) -> None:
    """Fusion and p-values are fitted on the same studies; new ones are covered all the same."""
    kept: dict[tuple[BodyPart, bool], list[bool]] = {}
    for seed in range(12):
        fusion = fit_fusion(_outputs(60, seed), manifest.recipe, manifest)  # type: ignore[arg-type]
        for output in _outputs(60, 1000 + seed):
            part, label = output.study.body_part, output.study.abnormal
            logit = output.images[0].experts["cnn"].abnormal[0]
            z = (logit + fusion.offsets[part]) / fusion.temperatures[part]
            p = p_values(float(special.expit(z)), fusion.conformal[part])[int(label)]
            kept.setdefault((part, label), []).append(p > 0.1)
    assert len(kept) == 6
    for group, flags in kept.items():
        assert 0.86 < np.mean(flags) < 0.97, group
