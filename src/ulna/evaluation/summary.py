"""Compute the content of metrics.json from rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ulna.evaluation.compare import (
    compare,
    expert_names,
    expert_sample,
    mean_sample,
    measure_single_expert,
    verdict,
)
from ulna.evaluation.finding_scores import finding_scores
from ulna.evaluation.place_scores import localisation, localisation_by_part, recognition
from ulna.evaluation.rows import StudyRow, parts_of, scored_rows
from ulna.evaluation.scores import (
    Json,
    Resampling,
    Sample,
    image_sample,
    interval_json,
    measure,
    recognised_sample,
    share,
    study_sample,
)
from ulna.evaluation.triage_scores import triage_scores
from ulna.metrics.decisions import confusion_counts
from ulna.types import BodyPart, FindingCategory, Subtlety

ALL = "ALL"


def summarise(rows: Sequence[StudyRow], parts: Sequence[BodyPart], resampling: Resampling) -> Json:
    """Return all scores of the rows; docs/metrics.md describes every key.

    parts are the body parts that the bundle knows, the axes of the confusion matrix of body parts.
    """
    groups = _groups(rows)
    metrics: Json = {
        "by_body_part": {n: _study_level(g, resampling) for n, g in groups.items()},
        "image_level": {n: _image_level(g, resampling) for n, g in groups.items()},
        "body_part": recognition(rows, parts, resampling),
        "recognised_routing": {
            n: _counted(recognised_sample(g), resampling, g) for n, g in groups.items()
        },
        "by_finding": _by_finding(rows, resampling),
        "by_subtlety": _by_subtlety(rows, resampling),
        **_counts(rows),
    }
    triage = triage_scores(rows)
    if triage is not None:
        metrics["triage"] = triage
    findings = finding_scores(rows, resampling)
    if findings is not None:
        metrics["findings"] = findings
    place = localisation(rows, resampling)
    if place is not None:
        metrics["localisation"] = place | {
            "by_body_part": localisation_by_part(rows, parts_of(rows), resampling)
        }
    return metrics | _experts(rows, groups, resampling)


def _groups(rows: Sequence[StudyRow]) -> dict[str, list[StudyRow]]:
    groups = {p.value: scored_rows(rows, p) for p in parts_of(rows)}
    everything = scored_rows(rows)
    return groups | ({ALL: everything} if everything else {})


def _counted(sample: Sample, resampling: Resampling, rows: Sequence[StudyRow]) -> Json:
    return measure(sample, resampling) | {
        "n_studies": len(rows),
        "n_abnormal": int(sum(bool(r.abnormal) for r in rows)),
    }


def _study_level(rows: Sequence[StudyRow], resampling: Resampling) -> Json:
    sample = study_sample(rows)
    scores = _counted(sample, resampling, rows)
    scores["n_patients"] = len(set(sample.patients))
    scores["n_images"] = sum(len(r.images) for r in rows)
    if sample.decision is not None:
        tp, fp, fn, tn = confusion_counts(sample.abnormal, sample.decision)
        scores["confusion"] = {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
    if any(r.abnormal and r.subtlety is not None for r in rows):
        scores |= _graded(rows, sample, resampling)
    return scores


def _graded(rows: Sequence[StudyRow], sample: Sample, resampling: Resampling) -> Json:
    """Return AUROC and sensitivity over normal studies with those of visible or subtle findings."""
    chosen = {
        "visible": np.array([r.visible for r in rows]),
        "subtle": np.array([not r.abnormal or r.subtlety == Subtlety.SUBTLE for r in rows]),
    }
    scores: Json = {}
    for name, flags in chosen.items():
        part = sample.where(flags)
        scores[f"n_abnormal_{name}"] = int(part.abnormal.sum())
        if len(part.patients):
            measured = measure(part, resampling, ("auroc", "sensitivity"))
            scores |= {f"{k}_{name}": v for k, v in measured.items()}
    return scores


def _image_level(rows: Sequence[StudyRow], resampling: Resampling) -> Json:
    sample = image_sample(rows)
    return measure(sample, resampling) | {
        "n_images": len(sample.patients),
        "n_abnormal": int(sample.abnormal.sum()),
    }


def _sensitivity(rows: Sequence[StudyRow], resampling: Resampling) -> Json:
    called = [float(r.given is not None and r.given.abnormal) for r in rows]
    interval = share([r.patient_id for r in rows], called, resampling)
    return {"sensitivity": interval_json(interval), "n": len(rows)}


def _by_finding(rows: Sequence[StudyRow], resampling: Resampling) -> Json:
    """Return the sensitivity for each category; a study with several counts for each of them."""
    scores = {}
    for category in FindingCategory:
        group = [r for r in scored_rows(rows) if r.abnormal and category in r.categories]
        if group:
            visible = [r for r in group if r.subtlety is not None and r.visible]
            scores[category.value] = _sensitivity(group, resampling)
            if visible:
                scores[category.value]["visible"] = _sensitivity(visible, resampling)
    return scores


def _by_subtlety(rows: Sequence[StudyRow], resampling: Resampling) -> Json:
    scores = {}
    for level in Subtlety:
        group = [r for r in scored_rows(rows) if r.abnormal and r.subtlety == level]
        if group:
            scores[level.value] = _sensitivity(group, resampling)
    return scores


def _experts(
    rows: Sequence[StudyRow], groups: dict[str, list[StudyRow]], resampling: Resampling
) -> Json:
    names = expert_names(rows)
    hybrids = {n: study_sample(g) for n, g in groups.items()}

    def table(sample_of: Callable[[Sequence[StudyRow]], Sample]) -> Json:
        return {
            n: measure_single_expert(sample_of(g), hybrids[n], resampling)
            for n, g in groups.items()
        }

    scores: Json = {"experts": {n: table(partial(expert_sample, name=n)) for n in names}}
    if names:
        scores["mean_of_experts"] = table(mean_sample)
    compared = {n: compare(g, resampling) for n, g in groups.items()} if len(names) > 1 else {}
    comparison = {n: c for n, c in compared.items() if c is not None}
    scores["comparison"] = {
        n: c | {"sentence": verdict(n.capitalize(), c)} for n, c in comparison.items()
    }
    return scores


def _counts(rows: Sequence[StudyRow]) -> Json:
    answered = [r for r in rows if r.given is not None]
    return {
        "n_given": len(rows),
        "n_scored": len(scored_rows(rows)),
        "n_unlabelled": sum(r.abnormal is None for r in answered),
        "n_unreadable": sum(r.given is None for r in rows),
        "n_unreadable_images": sum(len(r.skipped) for r in rows),
        "n_refused_images": sum(bool(i.refusal) for r in rows for i in r.images),
        "n_refused_studies": sum(r.refused for r in rows),
    }
