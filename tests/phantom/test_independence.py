"""Confounders reveal no label: a simple classifier on borders and histograms is near chance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ulna.config.phantom import ALL_PHANTOM_PARTS, PHANTOM_PARTS, Framing, PhantomConfig
from ulna.phantom.study import render_study
from ulna.types import BodyPart, FindingCategory

BORDER, STUDIES = 8, 300


def _features(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The image's frame of 8 px, averaged over 8 px along it, and its histogram of 32 bins."""
    image = np.asarray(Image.fromarray(pixels).resize((96, 96)), np.float64) / 255
    frame = [image[:BORDER], image[-BORDER:], image[:, :BORDER].T, image[:, -BORDER:].T]
    means = [strip.mean(0).reshape(12, 8).mean(1) for strip in frame]
    counts = np.histogram(image, bins=32, range=(0, 1))[0] / image.size
    return np.concatenate([*means, np.sqrt(counts)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("framing", "parts"), [("collimated", PHANTOM_PARTS), ("plate", ALL_PHANTOM_PARTS)]
)
def test_borders_and_histograms_stay_near_chance(
    framing: Framing, parts: tuple[BodyPart, ...]
) -> None:
    """Five folds by patient, by study (its first view). Studies with hardware are left out:
    metal is a finding, and a histogram may rightly see it."""
    config = PhantomConfig(STUDIES, 77, parts, size=96, framing=framing)
    rows, labels, patients = [], [], []
    for index in range(STUDIES):
        study = render_study(config, index)
        if study.category is FindingCategory.HARDWARE:
            continue
        rows.append(_features(study.views[0].pixels))
        labels.append(study.plan.abnormal)
        patients.append(study.plan.patient)
    x, y = np.array(rows), np.array(labels)
    scores = np.zeros(len(y))
    for train, test in GroupKFold(5).split(x, y, patients):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=500))
        scores[test] = model.fit(x[train], y[train]).decision_function(x[test])
    auroc = roc_auc_score(y, scores)
    print(f"AUROC {auroc:.3f} on {len(y)} studies, {y.sum()} abnormal")
    assert len(y) >= 220
    assert auroc <= 0.62
