"""The answers for the views of a study, joined into its `StudyPrediction`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ulna.bundle import ModelBundle
from ulna.runtime.certainty import said_of_bundle, trust_in
from ulna.runtime.findings import named_findings
from ulna.runtime.image_answer import alone
from ulna.runtime.outputs import StudyOutputs
from ulna.runtime.screen import flags_of
from ulna.types import BodyPart, Familiarity, ImagePrediction, StudyPrediction


@dataclass(frozen=True)
class Asked:
    """How a study was answered: body part (given, or recognised), its shares, operating point."""

    part: BodyPart
    given: bool
    shares: Mapping[BodyPart, float]
    point: str


def study_answer(
    bundle: ModelBundle,
    outputs: StudyOutputs,
    asked: Asked,
    images: tuple[ImagePrediction, ...],
    accepted: tuple[Sequence[int], str],
) -> StudyPrediction:
    """The mean of the views that answer. accepted: of `ulna.runtime.screen.accepted`."""
    kept, refused = accepted
    manifest, study = bundle.manifest, outputs.study
    answering = [images[i] for i in kept]
    probability = float(np.mean([i.probability for i in answering]))
    domain, interval = standing(answering, bool(refused))
    threshold = manifest.fusion.thresholds[asked.point][asked.part]
    called = probability >= threshold
    return StudyPrediction(
        study=study,
        body_part=asked.part,
        body_part_given=asked.given,
        probability=probability,
        abnormal=called,
        threshold=threshold,
        operating_point=asked.point,
        body_part_probabilities=asked.shares,
        images=images,
        experts=alone(answering),
        skipped=outputs.skipped,
        **trust_in(probability, asked.part, manifest.fusion, bool(refused), interval),
        **named_findings(answering, manifest.fusion, asked.point, called and not refused),
        refused=refused,
        flags=(*study.remarks, *flags_of(images, kept)),
        domain=domain,
        interval=interval,
        **said_of_bundle(bundle),
    )


def standing(
    images: Sequence[ImagePrediction], refused: bool
) -> tuple[Familiarity, tuple[float, float] | None]:
    """The domain of a study whose views these are, and between which two its probability lies.

    The least familiar view decides; of a study without a NEAR view the interval is None. The
    probability is the mean of the views', so its ends are the means of theirs.
    """
    if refused:
        return Familiarity.FAR, None
    order = list(Familiarity)
    domain = max((i.domain for i in images), key=order.index)
    if domain is not Familiarity.NEAR:
        return domain, None
    ends = [i.interval or (i.probability, i.probability) for i in images]
    return domain, (float(np.mean([e[0] for e in ends])), float(np.mean([e[1] for e in ends])))
