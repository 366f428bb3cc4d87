"""The `Predictor`: a verified bundle in, a study in, an answer out."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ulna.bundle import (
    CascadeParameters,
    FusionParameters,
    Manifest,
    ModelBundle,
    read_bundle,
    read_out_of_distribution,
)
from ulna.config.engine import PORTABLE, EngineSettings
from ulna.errors import ConfigError, ImageWarning
from ulna.runtime.cascade import Cascade, has_cascade
from ulna.runtime.fusion import ExpertOutput, active_experts, routing_weights
from ulna.runtime.image_answer import body_part_shares, image_answer
from ulna.runtime.outputs import ImageOutputs, StudyOutputs
from ulna.runtime.reading import read_views, study_of, views_of
from ulna.runtime.request import HeatMaps, Routing, check_settings, known_body_part
from ulna.runtime.screen import (
    Disturb,
    PreparedImage,
    accepted_views,
    correct_polarity,
    run_views,
    verdict,
    with_calibration_copies,
)
from ulna.runtime.session import Session
from ulna.runtime.session.choice import resolve
from ulna.runtime.stream import Answered, Steps, stream
from ulna.runtime.study_answer import AnswerSettings, study_answer
from ulna.types import Array, BodyPart, ImageRef, Radiograph, Study, StudyPrediction

RunViews = Callable[[Sequence[PreparedImage]], tuple[ImageOutputs, ...]]


class Predictor:
    """Answers for studies from a bundle. Make it with `Predictor.load`."""

    def __init__(self, bundle: ModelBundle, engine: EngineSettings = PORTABLE) -> None:
        self.bundle = bundle
        if engine.precision == "int8" and bundle.manifest.quantisation is None:
            raise ConfigError(
                f"engine '{engine}': the graphs of {bundle.path} are fp32: make them int8 with "
                "`ulna quantise`, or take another precision"
            )
        self.engine = resolve(engine)
        self._sessions = {
            e.name: Session(bundle.graph_path(e), self.engine) for e in bundle.manifest.experts
        }
        self._detector = read_out_of_distribution(bundle)
        self._refuses = True
        self._cascades = False

    @classmethod
    def load(cls, bundle_path: Path | str, engine: EngineSettings = PORTABLE) -> Predictor:
        """Read and verify the bundle in a folder and load its graphs into an inference engine.

        engine: without it ONNX Runtime in fp32, which answers the same on every machine; what it
        became here is the predictor's `engine`. Raises BundleError, ConfigError.
        """
        return cls(read_bundle(bundle_path), engine)

    def with_fusion(
        self, fusion: FusionParameters, cascade: CascadeParameters | None = None
    ) -> Predictor:
        """The same graphs under other fusion parameters and their cascade; the disk's stay."""
        other = copy.copy(self)
        manifest = replace(self.manifest, fusion=fusion, cascade=cascade)
        other._cascades = False
        other.bundle = replace(self.bundle, manifest=manifest)
        return other

    def with_graphs(self, graphs: Mapping[str, bytes]) -> Predictor:
        """Other graphs, by expert's name, under the same manifest: to examine what maps rest on."""
        other = copy.copy(self)
        other._sessions = {name: Session(graph, self.engine) for name, graph in graphs.items()}
        return other

    def without_refusal(self) -> Predictor:
        """The same, answering from every view whatever it shows, so that scores count them all.

        What would be refused has its reason in each image's `refusal` still.
        """
        other = copy.copy(self)
        other._refuses = False
        return other

    def with_cascade(self) -> Predictor:
        """The same, stopping at the experts whose answer is certain enough (docs/cascade.md).

        A bundle of one expert answers as before. Raises ConfigError for one without a cascade.
        """
        other = copy.copy(self)
        other._cascades = has_cascade(self.bundle)
        return other

    @property
    def cascades(self) -> bool:
        """Whether it skips experts where the first are certain."""
        return self._cascades

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    def predict(
        self,
        study: Study,
        operating_point: str | None = None,
        body_part: Routing = "given",
        heat_maps: HeatMaps = True,
    ) -> StudyPrediction:
        """The answer for `study`: read, prepare, run the experts, fuse.

        operating_point: one of the bundle's, None for its own. body_part: 'given' routes by
        `study.body_part` where it is known, 'recognise' always by the pixels. Experts whose
        weight is 0 there are not run. Views that are no images for the bundle are left out, a
        study of nothing else is refused (docs/refusal.md). An unreadable image is skipped
        (ImageWarning); raises ImageError if none is readable, ConfigError for a body part,
        operating point or maps that the bundle does not know. heat_maps: as in `predict_outputs`.
        """
        given = known_body_part(self.manifest, study, operating_point, body_part)
        outputs = self._run(study, partial(self._answering, given, operating_point))
        return self.predict_outputs(outputs, operating_point, body_part, heat_maps)

    def stream(
        self,
        studies: Iterable[Study],
        operating_point: str | None = None,
        body_part: Routing = "given",
        *,
        workers: int = 0,
        heat_maps: HeatMaps = False,
    ) -> Generator[tuple[Answered, ...]]:
        """What `predict` says of many studies, in their order: reading and experts overlap.

        Gives (study, answer) in tuples, one for each batch of the experts. The answer is an
        UlnaError where `predict` raises one for the study; images that were skipped are in
        `skipped`, without a warning. Memory does not grow with the number of studies. workers:
        threads that read; 0 for half of the cores. heat_maps: as in `predict_outputs`. Raises
        ConfigError for settings that no study could be asked with.
        """
        check_settings(self.manifest, operating_point, body_part)

        def part(study: Study) -> BodyPart | None:
            return known_body_part(self.manifest, study, operating_point, body_part)

        def answer(outputs: StudyOutputs) -> StudyPrediction:
            return self.predict_outputs(outputs, operating_point, body_part, heat_maps)

        steps = Steps(
            self.manifest.input_spec,
            lambda study: active_experts(self.manifest, part(study)),
            self._run_views,
            answer,
        )
        if self._cascades:
            steps = replace(
                steps, alone=lambda s, views: self._answering(part(s), operating_point, views)
            )
        return stream(steps, studies, workers)

    def predict_radiographs(
        self,
        radiographs: Sequence[Radiograph],
        body_part: BodyPart | None = None,
        operating_point: str | None = None,
    ) -> StudyPrediction:
        """The answer for the views of one study that were read already.

        body_part: what they show; None takes what the radiographs themselves say (their DICOM
        header) if they agree, else it is recognised from the pixels.
        """
        study = study_of(radiographs, body_part)
        given = known_body_part(self.manifest, study, operating_point, "given")
        views = views_of(study.images, radiographs, self.manifest.input_spec)
        images = self._answering(given, operating_point, views)
        return self.predict_outputs(StudyOutputs(study, images), operating_point)

    def outputs(
        self, study: Study, negatives: bool = False, disturb: Disturb | None = None
    ) -> StudyOutputs:
        """What every expert says of every readable image of `study`, before fusion.

        negatives: as calibration needs them: no polarity is put right, and of every view's
        negative the features are there; with `disturb` what is said of a copy changed by it too.
        Unreadable images are skipped (ImageWarning); raises
        ImageError if none is readable.
        """
        run = partial(self._run_views, list(self._sessions), negatives=negatives, disturb=disturb)
        return self._run(study, run)

    def outputs_of(self, radiographs: Sequence[Radiograph]) -> tuple[ImageOutputs, ...]:
        """What every expert says of radiographs that were read already, as they came."""
        refs = [ImageRef(Path(r.source)) for r in radiographs]
        views = views_of(refs, radiographs, self.manifest.input_spec)
        return tuple(run_views(views, partial(self._experts, list(self._sessions))))

    def predict_outputs(
        self,
        outputs: StudyOutputs,
        operating_point: str | None = None,
        body_part: Routing = "given",
        heat_maps: HeatMaps = True,
    ) -> StudyPrediction:
        """The answer for a study whose experts were run: of `predict`, with all in `experts`.

        heat_maps: False leaves each `heat_map` on the model's grid and looks for no findings:
        thousands of answers need no pictures; 'findings' brings the map of each category too.
        """
        study, manifest = outputs.study, self.manifest
        given = known_body_part(manifest, study, operating_point, body_part)
        point = operating_point or manifest.operating_point
        if self._cascades:
            return self._cascaded(outputs, self._cascade(given, point), body_part, heat_maps)
        names = active_experts(manifest, given)
        judged = [verdict(i, names, self._detector) for i in outputs.images]
        kept, refused = accepted_views([v.refusal for v in judged], self._refuses)
        logits = [outputs.images[i].experts[n].body_part for i in kept for n in names]
        routing = routing_weights(logits, manifest.body_parts, given)
        uncertainty_margin = (
            manifest.out_of_distribution.uncertainty_margin if manifest.out_of_distribution else 0.0
        )
        image = partial(
            image_answer,
            manifest,
            names,
            routing,
            heat_map=heat_maps,
            uncertainty_margin=uncertainty_margin,
        )
        images = tuple(map(image, outputs.images, judged))
        part = manifest.body_parts[int(np.argmax(routing))]
        requested = AnswerSettings(part, given is not None, body_part_shares(manifest, logits), point)
        return study_answer(self.bundle, outputs, requested, images, (kept, refused))

    def _run(self, study: Study, run: RunViews) -> StudyOutputs:
        views, skipped = read_views(study, self.manifest.input_spec)
        for _, reason in skipped:
            warnings.warn(f"study {study.key}: skipped: {reason}", ImageWarning, stacklevel=3)
        return StudyOutputs(study, run(views), skipped)

    def _answering(
        self, given: BodyPart | None, operating_point: str | None, views: Sequence[PreparedImage]
    ) -> tuple[ImageOutputs, ...]:
        """The outputs of the experts that the answer needs."""
        if not self._cascades:
            return self._run_views(active_experts(self.manifest, given), views)
        return self._cascade(given, operating_point).run(views, self._experts)

    def _cascade(self, given: BodyPart | None, operating_point: str | None) -> Cascade:
        point = operating_point or self.manifest.operating_point
        return Cascade(self.manifest, self._detector, given, point)

    def _cascaded(
        self, outputs: StudyOutputs, cascade: Cascade, routing: Routing, heat_maps: HeatMaps
    ) -> StudyPrediction:
        """The answer of the step at which the study leaves."""
        step, message = cascade.chosen(outputs)
        answer = self.with_fusion(step.fusion).predict_outputs(
            message, cascade.point, routing, heat_maps
        )
        skipped = cascade.skipped(step)
        # It speaks of two more operating points, for which this step's bounds were not made.
        confidence = None if skipped else answer.confidence
        return replace(answer, skipped_experts=skipped, confidence=confidence)

    def _experts(self, names: Sequence[str], batch: Array) -> dict[str, list[ExpertOutput]]:
        return {n: self._sessions[n].run(batch) for n in names}

    def _run_views(
        self,
        names: Sequence[str],
        views: Sequence[PreparedImage],
        negatives: bool = False,
        disturb: Disturb | None = None,
    ) -> tuple[ImageOutputs, ...]:
        spec = self.manifest.input_spec
        run = partial(self._experts, names)
        images = run_views(views, run)
        if negatives:
            images = with_calibration_copies(images, views, run, spec, disturb)
        elif self._detector is not None:
            images = correct_polarity(images, views, run, self._detector, spec)
        return tuple(images)
