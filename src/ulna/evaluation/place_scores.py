"""Scores of localisation and of body-part recognition over all rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ulna.evaluation.rows import ImageRow, Location, StudyRow
from ulna.evaluation.scores import Json, Resampling, interval_json, number, share
from ulna.types import BodyPart, Subtlety

_VISIBLE = (Subtlety.OBVIOUS, Subtlety.MODERATE)
Placed = tuple[StudyRow, ImageRow, Location]


def localisation(rows: Sequence[StudyRow], resampling: Resampling) -> Json | None:
    """Score localisation on the images of abnormal studies with a known location of the finding.

    Where subtlety is recorded, the main numbers are over views whose finding is visible (obvious
    or moderate), and `_visible`, `_subtle` and `_all` are given too. Otherwise they are over all
    such images. `chance` is the chance level of the pointing game on the same images. The result
    is None if no location is known.
    """
    placed = [
        (r, i, i.location) for r in rows if r.abnormal for i in r.images if i.location is not None
    ]
    if not placed:
        return None
    graded = any(i.subtlety is not None for _, i, _ in placed)
    visible = [p for p in placed if p[1].subtlety in _VISIBLE]
    main = visible if graded and visible else placed
    scores = _summary(main, resampling)
    scores["over"] = "visible findings" if main is visible else "all findings with a known place"
    groups = {"all": placed}
    if graded:
        groups |= {"visible": visible, "subtle": [p for p in placed if p[1].subtlety == "subtle"]}
    for name, group in groups.items():
        if group:
            scores |= {f"{k}_{name}": v for k, v in _summary(group, resampling).items()}
    return scores


def localisation_by_part(
    rows: Sequence[StudyRow], parts: Sequence[BodyPart], resampling: Resampling
) -> Json:
    """Return `localisation` of each body part that has images with a known location."""
    scores = {p.value: localisation([r for r in rows if r.part == p], resampling) for p in parts}
    return {name: own for name, own in scores.items() if own is not None}


def _summary(placed: Sequence[Placed], resampling: Resampling) -> Json:
    patients = [r.patient_id for r, _, _ in placed]

    def mean(name: str) -> float | None:
        return number(float(np.mean([getattr(place, name) for _, _, place in placed])))

    def interval(name: str) -> Json:
        values = [float(getattr(place, name)) for _, _, place in placed]
        return interval_json(share(patients, values, resampling))

    return {
        "pointing_game": mean("pointing"),
        "chance": mean("pointing_chance"),
        "middle": mean("middle"),
        "energy_inside": mean("energy"),
        "energy_inside_chance": mean("energy_chance"),
        "iou": mean("iou"),
        "iou_chance": mean("iou_chance"),
        "pointing_game_interval": interval("pointing"),
        "energy_inside_interval": interval("energy"),
        "iou_interval": interval("iou"),
        "n_images": len(placed),
    }


def recognition(
    rows: Sequence[StudyRow], parts: Sequence[BodyPart], resampling: Resampling
) -> Json:
    """Return the accuracy of the predicted body part over studies and images, and its confusion.

    All answered studies count whose true body part is known, labelled or not. confusion is `{true
    part: {predicted part: studies}}`.
    """
    known = [
        (r, r.body_part, r.recognised.body_part)
        for r in rows
        if r.body_part is not None and r.recognised is not None
    ]
    if not known:
        return {"accuracy": None, "n_studies": 0}
    right = [float(true == seen) for _, true, seen in known]
    interval = share([r.patient_id for r, _, _ in known], right, resampling)
    images = [i.recognised == true for r, true, _ in known for i in r.images]
    confusion = {t.value: {p.value: 0 for p in parts} for t in parts}
    for _, true, seen in known:
        confusion[true.value][seen.value] += 1
    return {
        "accuracy": number(interval.value),
        "accuracy_interval": interval_json(interval),
        "accuracy_image_level": number(float(np.mean(images))),
        "n_studies": len(known),
        "n_wrong": int(len(right) - sum(right)),
        "confusion": confusion,
    }
