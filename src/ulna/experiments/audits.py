"""The prototype's protocol corrected step by step, and the scores of the MURA competition."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulna.config.codec import to_json, write_json
from ulna.datasets import index_data
from ulna.errors import DatasetWarning
from ulna.experiments.extras import require
from ulna.experiments.progress import Progress, silent
from ulna.experiments.receipts import audit_receipt, score_receipt

if TYPE_CHECKING:
    from ulna.training.audit import AuditResult


@dataclass(frozen=True)
class Audit:
    """Accuracies of each protocol. steps: the results. figures: as in audit.json."""

    steps: AuditResult
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class MuraScores:
    """Kappa with intervals by region, 'Overall' first. simulated: of phantoms, without ranks."""

    scores: dict[str, Any]
    simulated: bool


def audit(
    data: Path,
    out: Path,
    *,
    encoder: str = "cnn",
    epochs: int = 10,
    images: int = 1000,
    size: int = 224,
    seed: int = 0,
    progress: Progress | None = None,
) -> Audit:
    """Measure how much each flaw of the prototype's protocol inflates its accuracy.

    Images were split one by one, the region was the target, and the best accuracy on the test
    images was reported: each flaw is corrected in turn. All labelled studies take part, as in the
    prototype.

    Args:
        data: Labelled table or folder.
        out: Folder for audit.json, audit.png and receipt.json.
        encoder: 'cnn' or a timm model, random weights.
        epochs: Epochs of each network, 2 or more.
        images: Images of each region, the first ones.
        size: Side of the square input in px.
        seed: Seed of splits and weights.
        progress: Called often with (stage, done, total).

    Returns:
        The accuracy of each step with its 95 % interval, and the content of audit.json.

    Raises:
        DatasetError: Too few labelled studies.
        DependencyError: The extra 'train' or 'report' is not installed.

    Example::

        audited = audit(Path("phantoms"), Path("runs/audit"), epochs=5)
        [step.accuracy.value for step in audited.steps.steps]
    """
    require("train", "report")
    from ulna.evaluation.scores import number
    from ulna.report.audit_figure import write_waterfall
    from ulna.training.audit import AuditPlan
    from ulna.training.audit import audit as audit_protocol

    plan = AuditPlan(encoder=encoder, epochs=epochs, images=images, size=size, seed=seed).settled()
    studies = index_data(data)
    steps = audit_protocol(studies, plan, progress or silent)
    figures: dict[str, Any] = {"data": data.name, "plan": to_json(plan), **to_json(steps)}
    figures["kappa"] = number(steps.kappa)  # JSON has no nan
    out.mkdir(parents=True, exist_ok=True)
    write_json(figures, out / "audit.json")
    write_waterfall(figures, out / "audit.png")
    audit_receipt(out, data, studies, plan)
    return Audit(steps, figures)


def score(labels: Path, predictions: Path, *, out: Path | None = None) -> MuraScores:
    """Score predictions as the MURA competition did, and estimate their rank in it.

    Args:
        labels: Lines `study,0 or 1`, or the labels of three radiologists, whose majority counts.
        predictions: The competition's lines, or the predictions.csv of `evaluate`.
        out: Folder for score.json and its receipt; None to write nothing.

    Returns:
        Cohen's kappa over all studies and by region, with intervals and the rank among the
        competition's entries; `ulna.evaluation.mura_score.official_keys` gives the keys of its
        program.

    Raises:
        DatasetError: Lines that cannot be read, or labelled studies without a prediction.

    Example::

        scored = score(Path("valid_labeled_studies.csv"), Path("predictions.csv"))
        scored.scores["Overall"]["kappa"]
    """
    from ulna.datasets.mura_answers import read_mura_answers, read_mura_labels
    from ulna.evaluation.mura_score import score_mura
    from ulna.evaluation.pipeline import write_metrics
    from ulna.evaluation.scores import Resampling

    known, answers = read_mura_labels(labels), read_mura_answers(predictions)
    if extra := len(set(answers) - set(known)):
        warnings.warn(f"{extra} predictions are of studies without a label", DatasetWarning, 2)
    scores = score_mura(known, answers, Resampling())
    simulated = (labels.parent / "phantom.json").is_file()
    if simulated:
        scores = {name: {**row, "standing": None} for name, row in scores.items()}
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_metrics(scores, out / "score.json")
        score_receipt(out, labels, predictions, simulated)
    return MuraScores(scores, simulated)
