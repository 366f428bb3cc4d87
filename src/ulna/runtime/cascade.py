"""The cascade: early exit of studies that the first experts answer with certainty.

A step fuses the outputs of the experts run so far, with the fusion's weights scaled to sum 1 and
the step's own temperature and offset. So also after an early exit the heat map still adds up to
the logit. The exit thresholds are fitted by calibration (`ulna.calibration.cascade_fit`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

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
from ulna.runtime.fusion import ExpertOutput, Floats, active_experts, routing_weights
from ulna.runtime.outputs import ImageOutputs, StudyOutputs
from ulna.runtime.screen import PreparedImage, correct_polarity, run_views, verdict
from ulna.types import Array, BodyPart, OodLevel

# A study whose body part is predicted exits only if its probability is at least this.
SURE_PART = 0.95

RunExperts = Callable[[Sequence[str], Array], Mapping[str, Sequence[ExpertOutput]]]


@dataclass(frozen=True)
class Step:
    """names: the experts run so far. fusion: their parameters. stage: None for the last step."""

    names: tuple[str, ...]
    fusion: FusionParameters
    stage: CascadeStage | None


def has_cascade(bundle: ModelBundle) -> bool:
    """Whether the bundle has several experts. Raises ConfigError if it then has no cascade."""
    several = len(bundle.manifest.experts) > 1
    if several and bundle.manifest.cascade is None:
        raise ConfigError(
            f"{bundle.path}: no cascade: expected a bundle whose calibration fitted one; "
            "run `ulna calibrate` again (docs/cascade.md)"
        )
    return several


def _fusion_after(
    manifest: Manifest, k: int, names: Sequence[str], parts: Sequence[BodyPart], point: str
) -> FusionParameters:
    fusion, cascade = manifest.fusion, manifest.cascade
    assert cascade is not None
    stage, weights = cascade.stages[k], dict(fusion.weights)
    for part in parts:
        kept = {n: w if n in names else 0.0 for n, w in fusion.weights[part].items()}
        total = sum(kept.values())
        weights[part] = {n: w / total for n, w in kept.items()}
    fusion = replace(
        fusion,
        weights=weights,
        temperatures=stage.temperatures,
        offsets=stage.offsets,
        # The calibration of the whole hybrid does not apply to a subset of its experts.
        findings=None if fusion.findings is None else stage.findings,
    )
    return _with_conformal(fusion, cascade, point)


def _with_conformal(
    fusion: FusionParameters, cascade: CascadeParameters | None, point: str
) -> FusionParameters:
    """Replace the conformal scores by those of the cascade's own calibration probabilities."""
    scores = cascade.conformal.get(point) if cascade is not None else None
    return fusion if scores is None else replace(fusion, conformal=scores)


def _study_probability(
    step: Step, images: Sequence[ImageOutputs], routing: Floats, manifest: Manifest
) -> float:
    """The study probability, as from `fuse_image` but without heat maps."""
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
    """The cascade of a bundle for one study.

    known_part: the body part from the data, None to predict it. point: the operating point.
    """

    manifest: Manifest
    detector: OodDetector | None
    known_part: BodyPart | None
    point: str

    def steps(self) -> list[Step]:
        """Return the steps; the last one is the whole hybrid.

        Stages whose experts have no weight, or all of it, are omitted.
        """
        manifest, cascade, point = self.manifest, self.manifest.cascade, self.point
        active, weights = active_experts(manifest, self.known_part), manifest.fusion.weights
        steps = []
        if cascade is not None:
            parts = manifest.body_parts if self.known_part is None else (self.known_part,)
            for k, stage in enumerate(cascade.stages):
                run = cascade.experts_after(k)
                names = tuple(n for n in active if n in run)
                share = min(sum(weights[p][n] for n in names) for p in parts)
                if share > 0 and len(names) < len(active):
                    fusion = _fusion_after(manifest, k, names, parts, point)
                    steps.append(Step(names, fusion, stage))
        return [*steps, Step(tuple(active), _with_conformal(manifest.fusion, cascade, point), None)]

    def done(self, step: Step, images: Sequence[ImageOutputs]) -> bool:
        """Whether the study exits at `step`. images: with the outputs of the step's experts.

        Never before the last step if a view is out of distribution or had its polarity corrected,
        or if the body part is uncertain.
        """
        if step.stage is None:
            return True
        verdicts = (verdict(i, step.names, self.detector) for i in images)
        shifted = any(v.out_of_distribution in (OodLevel.NEAR, OodLevel.FAR) for v in verdicts)
        if shifted or any(i.inverted for i in images):
            return False
        logits = [i.experts[n].body_part for i in images for n in step.names]
        routing = routing_weights(logits, self.manifest.body_parts, self.known_part)
        if routing.max() < SURE_PART:
            return False
        part = self.manifest.body_parts[int(np.argmax(routing))]
        probability = _study_probability(step, images, routing, self.manifest)
        return step.stage.exits(probability, part, self.point)

    def skipped(self, step: Step) -> tuple[str, ...]:
        """Return the experts that are not run for a study that exits at `step`."""
        return tuple(n for n in self.steps()[-1].names if n not in step.names)

    def run(self, views: Sequence[PreparedImage], run: RunExperts) -> tuple[ImageOutputs, ...]:
        """Run one step after the other until `done`.

        Each expert runs once, except on negatives of the views.
        """
        spec = self.manifest.input_spec
        outputs: dict[str, Sequence[ExpertOutput]] = {}
        images: list[ImageOutputs] = []
        for step in self.steps():

            def new_outputs(
                batch: Array, names: Sequence[str] = step.names
            ) -> dict[str, Sequence[ExpertOutput]]:
                outputs.update(run([n for n in names if n not in outputs], batch))
                return {n: outputs[n] for n in names}

            images = run_views(views, new_outputs)
            if self.detector is not None:
                again = partial(run, step.names)
                images = correct_polarity(images, views, again, self.detector, spec)
            if self.done(step, images):
                break
        return tuple(images)

    def chosen(self, outputs: StudyOutputs) -> tuple[Step, StudyOutputs]:
        """Return the step at which a study exits, and the outputs of the experts of that step.

        outputs: of at least the experts that the cascade runs; the last step gets all of them.
        Polarities are those of `outputs`, even if the first experts alone would have corrected one.
        """
        *early, last = self.steps()
        for step in early:
            images = tuple(
                replace(i, experts={n: i.experts[n] for n in step.names}) for i in outputs.images
            )
            if self.done(step, images):
                return step, replace(outputs, images=images)
        return last, outputs
