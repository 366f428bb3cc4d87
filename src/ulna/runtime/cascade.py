"""The cascade: experts one after the other, until the answer is certain enough to stop.

A step answers with the experts run so far: the fusion's weights scaled to sum 1, with the step's
own temperature and offset. That is a fusion like any other, so the map of an answer that left
early still adds up to its logit. Where a study may leave was chosen by calibration
(`ulna.calibration.cascade_fit`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ulna.bundle import (
    CascadeParameters,
    CascadeStage,
    FusionParameters,
    Manifest,
    ModelBundle,
    OodDetector,
)
from ulna.errors import ConfigError
from ulna.metrics.logistic import sigmoid
from ulna.runtime.fusion import (
    ExpertOutput,
    Floats,
    active_experts,
    routing_weights,
)
from ulna.runtime.outputs import ImageOutputs, StudyOutputs
from ulna.runtime.screen import PreparedImage, put_right, run_views, verdict
from ulna.types import Array, BodyPart, OodLevel

# A study whose body part is recognised leaves only where the experts so far are this sure of it.
SURE_PART = 0.95

RunExperts = Callable[[Sequence[str], Array], Mapping[str, Sequence[ExpertOutput]]]


@dataclass(frozen=True)
class Step:
    """names: the experts run by now. fusion: under which they answer. stage: None for the last."""

    names: tuple[str, ...]
    fusion: FusionParameters
    stage: CascadeStage | None


def has_cascade(bundle: ModelBundle) -> bool:
    """Whether there is more than one expert to run; ConfigError if none may be left out."""
    several = len(bundle.manifest.experts) > 1
    if several and bundle.manifest.cascade is None:
        raise ConfigError(
            f"{bundle.path}: no cascade: expected a bundle whose calibration fitted one; "
            "run `ulna calibrate` again (docs/cascade.md)"
        )
    return several


def steps_of(manifest: Manifest, given: BodyPart | None, point: str) -> list[Step]:
    """The steps for a study of the body part `given`, or of one to be recognised if None.

    The last is the whole hybrid. A stage is no step where its experts have no weight, or all.
    point: the operating point.
    """
    cascade, active = manifest.cascade, tuple(active_experts(manifest, given))
    result = []
    if cascade is not None:
        parts = manifest.body_parts if given is None else (given,)
        for k, stage in enumerate(cascade.stages):
            run = cascade.experts_after(k)
            names = tuple(n for n in active if n in run)
            fusion = manifest.fusion
            share = min(sum(fusion.weights[p][n] for n in names) for p in parts)
            if share > 0 and len(names) < len(active):
                result.append(Step(names, _fusion_after(manifest, k, names, parts, point), stage))
    return [*result, Step(active, _with_conformal(manifest.fusion, cascade, point), None)]


def _fusion_after(
    manifest: Manifest, k: int, names: Sequence[str], parts: Sequence[BodyPart], point: str
) -> FusionParameters:
    fusion, cascade = manifest.fusion, manifest.cascade
    assert cascade is not None
    stage, weights = cascade.stages[k], dict(fusion.weights)
    for part in parts:
        own = {n: w if n in names else 0.0 for n, w in fusion.weights[part].items()}
        total = sum(own.values())
        weights[part] = {n: w / total for n, w in own.items()}
    fusion = replace(
        fusion,
        weights=weights,
        temperatures=stage.temperatures,
        offsets=stage.offsets,
        # Those of the whole hybrid are not these experts'.
        findings=None if fusion.findings is None else stage.findings,
    )
    return _with_conformal(fusion, cascade, point)


def _with_conformal(
    fusion: FusionParameters, cascade: CascadeParameters | None, point: str
) -> FusionParameters:
    """The p-values of a cascade's answers compare with the cascade's own on the calibration."""
    scores = cascade.conformal.get(point) if cascade is not None else None
    return fusion if scores is None else replace(fusion, conformal=scores)


def leaves(
    step: Step,
    images: Sequence[ImageOutputs],
    given: BodyPart | None,
    point: str,
    manifest: Manifest,
    out_of_distribution: OodDetector | None,
) -> bool:
    """Whether the step's answer is that of the study.

    images: with the outputs of the step's experts. Never where there is anything unusual: a view
    that no known image is like or whose polarity was put right, or an unsure body part.
    """
    if step.stage is None:
        return True
    if any(
        i.inverted or unusual(verdict(i, step.names, out_of_distribution).out_of_distribution)
        for i in images
    ):
        return False
    logits = [i.experts[n].body_part for i in images for n in step.names]
    routing = routing_weights(logits, manifest.body_parts, given)
    if routing.max() < SURE_PART:
        return False
    part = manifest.body_parts[int(np.argmax(routing))]
    return step.stage.leaves(_study_probability(step, images, routing, manifest), part, point)


def unusual(out_of_distribution: OodLevel) -> bool:
    """Whether a view is no image that the bundle knows."""
    return out_of_distribution in (OodLevel.NEAR, OodLevel.FAR)


def _study_probability(
    step: Step, images: Sequence[ImageOutputs], routing: Floats, manifest: Manifest
) -> float:
    """As `fuse_image` would have it, without the maps."""
    fusion, parts = step.fusion, manifest.body_parts
    gain = routing / np.array([fusion.temperatures[p] for p in parts])
    offset = float(gain @ [fusion.offsets[p] for p in parts])
    weights = {n: gain * [fusion.weights[p][n] for p in parts] for n in step.names}
    logits = [
        offset + sum(float(w @ image.experts[n].abnormal) for n, w in weights.items())
        for image in images
    ]
    return float(np.mean(sigmoid(logits)))


@dataclass(frozen=True)
class Cascade:
    """The cascade of a bundle for one study. given: as in `steps_of`. point: operating point."""

    manifest: Manifest
    out_of_distribution: OodDetector | None
    given: BodyPart | None
    point: str

    def steps(self) -> list[Step]:
        """As `steps_of`."""
        return steps_of(self.manifest, self.given, self.point)

    def done(self, step: Step, images: Sequence[ImageOutputs]) -> bool:
        """As `leaves`."""
        return leaves(step, images, self.given, self.point, self.manifest, self.out_of_distribution)

    def skipped(self, step: Step) -> tuple[str, ...]:
        """The experts that a study does not need that leaves at `step`."""
        return tuple(n for n in self.steps()[-1].names if n not in step.names)

    def run(self, views: Sequence[PreparedImage], run: RunExperts) -> tuple[ImageOutputs, ...]:
        """Run step after step until `done`; each expert once, but for the views' negatives."""
        spec = self.manifest.input_spec
        message: dict[str, Sequence[ExpertOutput]] = {}
        images: list[ImageOutputs] = []
        for step in self.steps():

            def now(
                batch: Array, names: Sequence[str] = step.names
            ) -> dict[str, list[ExpertOutput]]:
                message.update(run([n for n in names if n not in message], batch))
                return {n: list(message[n]) for n in names}

            def again(
                batch: Array, names: Sequence[str] = step.names
            ) -> Mapping[str, list[ExpertOutput]]:
                return {n: list(o) for n, o in run(names, batch).items()}

            images = run_views(views, now)
            if self.out_of_distribution is not None:
                images = put_right(images, views, again, self.out_of_distribution, spec)
            if self.done(step, images):
                break
        return tuple(images)

    def chosen(self, outputs: StudyOutputs) -> tuple[Step, StudyOutputs]:
        """The step at which a study leaves, and what its experts said of it.

        outputs: of at least the experts that the cascade runs. The last step has all that is
        there. Polarity is that of `outputs`: where only the first experts would have turned a
        image, `done` is asked of it as it stands.
        """
        *early, last = self.steps()
        for step in early:
            images = tuple(
                replace(i, experts={n: i.experts[n] for n in step.names}) for i in outputs.images
            )
            if self.done(step, images):
                return step, replace(outputs, images=images)
        return last, outputs
