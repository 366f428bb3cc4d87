"""The answers for the views of a study, joined into its `StudyPrediction`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ulna.bundle import ModelBundle
from ulna.runtime.confidence import facts_of_bundle, trust_in
from ulna.runtime.findings import named_findings
from ulna.runtime.image_answer import alone
from ulna.runtime.outputs import StudyOutputs
from ulna.runtime.screen import flags_of
from ulna.types import BodyPart, ImagePrediction, OodLevel, StudyPrediction


@dataclass(frozen=True)
class AnswerSettings:
    """How a study was answered: body part (given, or recognised), its shares, operating point."""

    part: BodyPart
    given: bool
    shares: Mapping[BodyPart, float]
    point: str


def study_answer(
    bundle: ModelBundle,
    outputs: StudyOutputs,
    requested: AnswerSettings,
    images: tuple[ImagePrediction, ...],
    accepted: tuple[Sequence[int], str],
) -> StudyPrediction:
    """The mean of the views that answer. accepted: of `ulna.runtime.screen.accepted`."""
    kept, refused = accepted
    manifest, study = bundle.manifest, outputs.study
    answering = [images[i] for i in kept]
    probability = float(np.mean([i.probability for i in answering]))
    out_of_distribution, interval = standing(answering, bool(refused))
    threshold = manifest.fusion.thresholds[requested.point][requested.part]
    called = probability >= threshold
    return StudyPrediction(
        study=study,
        body_part=requested.part,
        body_part_given=requested.given,
        probability=probability,
        abnormal=called,
        threshold=threshold,
        operating_point=requested.point,
        body_part_probabilities=requested.shares,
        images=images,
        experts=alone(answering),
        skipped=outputs.skipped,
        **trust_in(probability, requested.part, manifest.fusion, bool(refused), interval),
        **named_findings(answering, manifest.fusion, requested.point, called and not refused),
        refused=refused,
        flags=(*study.remarks, *flags_of(images, kept)),
        out_of_distribution=out_of_distribution,
        interval=interval,
        **facts_of_bundle(bundle),
    )


def standing(
    images: Sequence[ImagePrediction], refused: bool
) -> tuple[OodLevel, tuple[float, float] | None]:
    """The domain of a study whose views these are, and between which two its probability lies.

    The least familiar view decides; of a study without a NEAR view the interval is None. The
    probability is the mean of the views', so its ends are the means of theirs.
    """
    if refused:
        return OodLevel.FAR, None
    order = list(OodLevel)
    out_of_distribution = max((i.out_of_distribution for i in images), key=order.index)
    if out_of_distribution is not OodLevel.NEAR:
        return out_of_distribution, None
    ends = [i.interval or (i.probability, i.probability) for i in images]
    return out_of_distribution, (
        float(np.mean([e[0] for e in ends])),
        float(np.mean([e[1] for e in ends])),
    )
