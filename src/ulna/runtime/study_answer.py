"""Combine the predictions for the images of a study into its `StudyPrediction`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ulna.bundle import ModelBundle
from ulna.runtime.confidence import facts_of_bundle, reliability_of
from ulna.runtime.findings import named_findings
from ulna.runtime.image_answer import single_expert_probabilities
from ulna.runtime.outputs import StudyOutputs
from ulna.runtime.screen import flags_of
from ulna.types import BodyPart, ImagePrediction, OodLevel, StudyPrediction


@dataclass(frozen=True)
class AnswerSettings:
    """The body part of a study, whether it is from the data, and the operating point.

    shares: predicted probability of each body part.
    """

    part: BodyPart
    part_known: bool
    shares: Mapping[BodyPart, float]
    point: str


def study_answer(
    bundle: ModelBundle,
    outputs: StudyOutputs,
    settings: AnswerSettings,
    images: tuple[ImagePrediction, ...],
    accepted: tuple[Sequence[int], str],
) -> StudyPrediction:
    """Average the accepted images. accepted: from `ulna.runtime.screen.accepted_views`."""
    kept, refused = accepted
    manifest, study = bundle.manifest, outputs.study
    answering = [images[i] for i in kept]
    probability = float(np.mean([i.probability for i in answering]))
    out_of_distribution, interval = study_ood_level(answering, bool(refused))
    threshold = manifest.fusion.thresholds[settings.point][settings.part]
    called = probability >= threshold
    return StudyPrediction(
        study=study,
        body_part=settings.part,
        body_part_given=settings.part_known,
        probability=probability,
        abnormal=called,
        threshold=threshold,
        operating_point=settings.point,
        body_part_probabilities=settings.shares,
        images=images,
        experts=single_expert_probabilities(answering),
        skipped=outputs.skipped,
        **reliability_of(probability, settings.part, manifest.fusion, bool(refused), interval),
        **named_findings(answering, manifest.fusion, settings.point, called and not refused),
        refused=refused,
        flags=(*study.remarks, *flags_of(images, kept)),
        out_of_distribution=out_of_distribution,
        interval=interval,
        **facts_of_bundle(bundle),
    )


def study_ood_level(
    images: Sequence[ImagePrediction], refused: bool
) -> tuple[OodLevel, tuple[float, float] | None]:
    """Return the out-of-distribution level of a study, and the interval of its probability.

    The level is that of the farthest view. The interval is None unless that is NEAR; otherwise its
    ends are the means of those of the views, as the probability is the mean of theirs.
    """
    if refused:
        return OodLevel.FAR, None
    order = list(OodLevel)
    level = max((i.out_of_distribution for i in images), key=order.index)
    if level is not OodLevel.NEAR:
        return level, None
    ends = [i.interval or (i.probability, i.probability) for i in images]
    return level, (float(np.mean([e[0] for e in ends])), float(np.mean([e[1] for e in ends])))
