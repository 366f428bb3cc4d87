"""The `Predictor`, which makes predictions for studies with the experts of a bundle."""

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
    """Make predictions for studies with the experts of a bundle; created by `Predictor.load`.

    >>> predictor = Predictor.load("runs/hand/bundle")  # doctest: +SKIP
    >>> predictor.predict(study).probability  # doctest: +SKIP
    """

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

        engine: by default ONNX Runtime in fp32, which gives the same results on every machine. The
        attribute `engine` is what it was resolved to. Raises BundleError, ConfigError.
        """
        return cls(read_bundle(bundle_path), engine)

    def with_fusion(
        self, fusion: FusionParameters, cascade: CascadeParameters | None = None
    ) -> Predictor:
        """Return a copy with other fusion parameters and cascade; the files do not change."""
        other = copy.copy(self)
        manifest = replace(self.manifest, fusion=fusion, cascade=cascade)
        other._cascades = False
        other.bundle = replace(self.bundle, manifest=manifest)
        return other

    def with_graphs(self, graphs: Mapping[str, bytes]) -> Predictor:
        """Return a copy with other graphs (by expert) and the same manifest, to test heat maps."""
        other = copy.copy(self)
        other._sessions = {name: Session(graph, self.engine) for name, graph in graphs.items()}
        return other

    def without_refusal(self) -> Predictor:
        """Return a copy that refuses no image, so that scores include all studies.

        The attribute `refusal` of each image still has the reason.
        """
        other = copy.copy(self)
        other._refuses = False
        return other

    def with_cascade(self) -> Predictor:
        """Return a copy that skips experts if the first ones are certain (docs/cascade.md).

        Has no effect for a single expert. Raises ConfigError for a bundle without a cascade.
        """
        other = copy.copy(self)
        other._cascades = has_cascade(self.bundle)
        return other

    @property
    def cascades(self) -> bool:
        """Whether experts are skipped if the first ones are certain."""
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
        """Return the prediction for `study`: read and prepare its images, run the experts, fuse.

        operating_point: one of the bundle's, None for its default. body_part: 'given' uses
        `study.body_part` if it is known, 'recognise' always predicts it from the pixels. Experts
        with weight 0 for it are not run. Out-of-distribution views are refused and left out, and a
        study with no other views is refused (docs/refusal.md). heat_maps: as in `predict_outputs`.
        Unreadable images are skipped (ImageWarning). Raises ImageError if none is readable, and
        ConfigError for an unknown body part or operating point, or for missing heat maps.
        """
        known_part = known_body_part(self.manifest, study, operating_point, body_part)
        outputs = self._run(study, partial(self._needed_outputs, known_part, operating_point))
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
        """Predict many studies in order, reading images while the experts run.

        Yields tuples of (study, prediction), one for each batch. The prediction is an UlnaError if
        `predict` would raise it; skipped images are in `skipped`, without a warning. Memory does
        not grow with the number of studies. workers: number of reading threads, 0 for half of the
        cores. heat_maps: as in `predict_outputs`. Raises ConfigError for invalid settings.
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
                steps,
                run_study=lambda s, views: self._needed_outputs(part(s), operating_point, views),
            )
        return stream(steps, studies, workers)

    def predict_radiographs(
        self,
        radiographs: Sequence[Radiograph],
        body_part: BodyPart | None = None,
        operating_point: str | None = None,
    ) -> StudyPrediction:
        """Return the prediction for the views of one study that are already in memory.

        body_part: what they show. None takes that of the radiographs (from their DICOM headers) if
        they agree, else it is predicted from the pixels.
        """
        study = study_of(radiographs, body_part)
        known_part = known_body_part(self.manifest, study, operating_point, "given")
        views = views_of(study.images, radiographs, self.manifest.input_spec)
        images = self._needed_outputs(known_part, operating_point, views)
        return self.predict_outputs(StudyOutputs(study, images), operating_point)

    def outputs(
        self, study: Study, negatives: bool = False, disturb: Disturb | None = None
    ) -> StudyOutputs:
        """Return the outputs of all experts for all readable images of `study`, before fusion.

        negatives: for calibration: polarity is not corrected, and the features of every view's
        negative are added, and with `disturb` the outputs for a copy changed by it. Unreadable
        images are skipped (ImageWarning). Raises ImageError if none is readable.
        """
        run = partial(self._run_views, list(self._sessions), negatives=negatives, disturb=disturb)
        return self._run(study, run)

    def outputs_of(self, radiographs: Sequence[Radiograph]) -> tuple[ImageOutputs, ...]:
        """Return the outputs of all experts for radiographs in memory, without any correction."""
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
        """Return the prediction for a study from the outputs of its experts, as `predict` does.

        heat_maps: False leaves each `heat_map` on the model's grid and finds no regions, which is
        faster for many studies; 'findings' adds the map of each category.
        """
        study, manifest = outputs.study, self.manifest
        known_part = known_body_part(manifest, study, operating_point, body_part)
        point = operating_point or manifest.operating_point
        if self._cascades:
            return self._cascaded(outputs, self._cascade(known_part, point), body_part, heat_maps)
        names = active_experts(manifest, known_part)
        judged = [verdict(i, names, self._detector) for i in outputs.images]
        kept, refused = accepted_views([v.refusal for v in judged], self._refuses)
        logits = [outputs.images[i].experts[n].body_part for i in kept for n in names]
        routing = routing_weights(logits, manifest.body_parts, known_part)
        ood = manifest.out_of_distribution
        margin = ood.uncertainty_margin if ood else 0.0
        images = tuple(
            image_answer(manifest, names, routing, image, screened, heat_maps, margin)
            for image, screened in zip(outputs.images, judged, strict=True)
        )
        part, shares = int(np.argmax(routing)), body_part_shares(manifest, logits)
        settings = AnswerSettings(manifest.body_parts[part], known_part is not None, shares, point)
        return study_answer(self.bundle, outputs, settings, images, (kept, refused))

    def _run(self, study: Study, run: RunViews) -> StudyOutputs:
        views, skipped = read_views(study, self.manifest.input_spec)
        for _, reason in skipped:
            warnings.warn(f"study {study.key}: skipped: {reason}", ImageWarning, stacklevel=3)
        return StudyOutputs(study, run(views), skipped)

    def _needed_outputs(
        self, known_part: BodyPart | None, point: str | None, views: Sequence[PreparedImage]
    ) -> tuple[ImageOutputs, ...]:
        """Return the outputs of the experts that the prediction needs."""
        if not self._cascades:
            return self._run_views(active_experts(self.manifest, known_part), views)
        return self._cascade(known_part, point).run(views, self._experts)

    def _cascade(self, known_part: BodyPart | None, operating_point: str | None) -> Cascade:
        point = operating_point or self.manifest.operating_point
        return Cascade(self.manifest, self._detector, known_part, point)

    def _cascaded(
        self, outputs: StudyOutputs, cascade: Cascade, routing: Routing, heat_maps: HeatMaps
    ) -> StudyPrediction:
        """Return the prediction of the step at which the study exits."""
        step, chosen = cascade.chosen(outputs)
        fused = self.with_fusion(step.fusion)
        answer = fused.predict_outputs(chosen, cascade.point, routing, heat_maps)
        skipped = cascade.skipped(step)
        # The confidence depends on two more operating points, which the exit bounds ignore.
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
