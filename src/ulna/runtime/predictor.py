"""The `Predictor`: a verified bundle in, a study in, an answer out."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ulna.bundle import FusionParameters, Manifest, ModelBundle, read_bundle, read_domain
from ulna.config.engine import PORTABLE, EngineSettings
from ulna.errors import ConfigError, ImageError, ImageWarning
from ulna.imaging.outline import findings_from_map
from ulna.imaging.read import read_radiograph
from ulna.runtime.certainty import certainty_of
from ulna.runtime.conformal import p_values
from ulna.runtime.fusion import (
    ExpertOutput,
    active_experts,
    fuse_image,
    part_probabilities,
    routing_weights,
    sigmoid,
)
from ulna.runtime.outputs import ImageOutputs, StudyOutputs
from ulna.runtime.screen import (
    PreparedView,
    accepted,
    flags_of,
    put_right,
    refusal,
    run_views,
    with_negatives,
)
from ulna.runtime.session import Session
from ulna.runtime.session.choice import resolve
from ulna.types import (
    Array,
    BodyPart,
    Certainty,
    ImagePrediction,
    ImageRef,
    Radiograph,
    Study,
    StudyPrediction,
)

Routing = Literal["given", "recognise"]


class Predictor:
    """Answers for studies from a bundle. Make it with `Predictor.load`."""

    def __init__(self, bundle: ModelBundle, engine: EngineSettings = PORTABLE) -> None:
        self.bundle = bundle
        self.engine = resolve(engine)
        self._sessions = {
            e.name: Session(bundle.graph_path(e), self.engine) for e in bundle.manifest.experts
        }
        self._domain = read_domain(bundle)
        self._refuses = True

    @classmethod
    def load(cls, bundle_path: Path | str, engine: EngineSettings = PORTABLE) -> Predictor:
        """Read and verify the bundle in a folder and load its graphs into an inference engine.

        engine: without it ONNX Runtime in fp32, which answers the same on every machine; what it
        became here is the predictor's `engine`. Raises BundleError, ConfigError.
        """
        return cls(read_bundle(bundle_path), engine)

    def with_fusion(self, fusion: FusionParameters) -> Predictor:
        """The same loaded graphs under other fusion parameters; the bundle on disk stays."""
        other = copy.copy(self)
        manifest = replace(self.manifest, fusion=fusion)
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

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    def predict(
        self, study: Study, operating_point: str | None = None, body_part: Routing = "given"
    ) -> StudyPrediction:
        """The answer for `study`: read, prepare, run the experts, fuse.

        operating_point: one of the bundle's, None for its own. body_part: 'given' routes by
        `study.body_part` where it is known, 'recognise' always by the pixels. Experts whose
        weight is 0 there are not run. Views that are no films for the bundle are left out, a
        study of nothing else is refused (docs/refusal.md). An unreadable image is skipped
        (ImageWarning); raises ImageError if none is readable, ConfigError for a body part or
        operating point that the bundle does not know.
        """
        given = self._checked(study, operating_point, body_part)
        outputs = self._run(study, active_experts(self.manifest, given))
        return self.predict_outputs(outputs, operating_point, body_part)

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
        said = {r.body_part for r in radiographs}
        part = body_part or (said.pop() if len(said) == 1 else None)
        refs = tuple(ImageRef(Path(r.source), r.view, r.laterality) for r in radiographs)
        study = Study("", "", part, refs)
        given = self._checked(study, operating_point, "given")
        spec = self.manifest.input_spec
        views = [
            PreparedView.of(ref, radiograph, spec, partial(replace, radiograph))
            for ref, radiograph in zip(refs, radiographs, strict=True)
        ]
        images = self._run_views(views, active_experts(self.manifest, given))
        return self.predict_outputs(StudyOutputs(study, images), operating_point)

    def outputs(self, study: Study, negatives: bool = False) -> StudyOutputs:
        """What every expert says of every readable image of `study`, before fusion.

        negatives: as calibration needs them: no polarity is put right, and of every view's
        negative the features are there. Unreadable images are skipped (ImageWarning); raises
        ImageError if none is readable.
        """
        return self._run(study, list(self._sessions), negatives)

    def predict_outputs(
        self,
        outputs: StudyOutputs,
        operating_point: str | None = None,
        body_part: Routing = "given",
    ) -> StudyPrediction:
        """The answer for a study whose experts were run: of `predict`, with all in `experts`."""
        study, manifest = outputs.study, self.manifest
        given = self._checked(study, operating_point, body_part)
        names = active_experts(manifest, given)
        judged = [refusal(i, names, self._domain) for i in outputs.images]
        kept, refused = accepted([reason for _, reason in judged], self._refuses)
        logits = [outputs.images[i].experts[n].body_part for i in kept for n in names]
        routing = routing_weights(logits, manifest.body_parts, given)
        images = tuple(map(partial(self._image, names, routing), outputs.images, judged))
        part = manifest.body_parts[int(np.argmax(routing))]
        point = operating_point or manifest.operating_point
        threshold = manifest.fusion.thresholds[point][part]
        probability = float(np.mean([images[i].probability for i in kept]))
        p_normal, p_abnormal, certainty = self._trust(probability, part, bool(refused))
        return StudyPrediction(
            study=study,
            body_part=part,
            body_part_given=given is not None,
            probability=probability,
            abnormal=probability >= threshold,
            threshold=threshold,
            operating_point=point,
            body_part_probabilities=self._by_part(logits),
            images=images,
            bundle_hash=self.bundle.hash,
            experts=_alone([images[i] for i in kept]),
            skipped=outputs.skipped,
            p_normal=p_normal,
            p_abnormal=p_abnormal,
            certainty=certainty,
            map_reliable=manifest.map_reliable,
            refused=refused,
            flags=flags_of(images, kept),
        )

    def _trust(
        self, probability: float, part: BodyPart, refused: bool
    ) -> tuple[float | None, float | None, Certainty | None]:
        """p_normal, p_abnormal and certainty; nothing is promised of what is no film."""
        if refused:
            return None, None, None
        fusion = self.manifest.fusion
        p_normal, p_abnormal = p_values(probability, fusion.conformal.get(part))
        return p_normal, p_abnormal, certainty_of(probability, part, fusion)

    def _checked(self, study: Study, operating_point: str | None, how: str) -> BodyPart | None:
        """The given body part, or None to recognise it; ConfigError for unknown settings."""
        known = self.manifest.fusion.thresholds
        if operating_point is not None and operating_point not in known:
            raise ConfigError(
                f"operating point {operating_point!r}: the bundle has {', '.join(known)}"
            )
        if how not in get_args(Routing):
            raise ConfigError(f"body_part {how!r}: expected 'given' or 'recognise'")
        if how == "recognise" or study.body_part is None:
            return None
        if study.body_part not in self.manifest.body_parts:
            raise ConfigError(
                f"study {study.key}: body part {study.body_part}: the bundle knows "
                f"{', '.join(self.manifest.body_parts)}; use another bundle, or let it "
                "recognise the part"
            )
        return study.body_part

    def _run(self, study: Study, names: Sequence[str], negatives: bool = False) -> StudyOutputs:
        spec = self.manifest.input_spec
        prepared: list[PreparedView] = []
        skipped: list[tuple[str, str]] = []
        for ref in study.images:
            try:
                radiograph = read_radiograph(ref.path)
                again = partial(read_radiograph, ref.path)
                prepared.append(PreparedView.of(ref, radiograph, spec, again))
            except ImageError as error:
                skipped.append((str(ref.path), str(error)))
        if not prepared:
            reasons = "; ".join(reason for _, reason in skipped)
            raise ImageError(f"study {study.key}: no readable radiograph: {reasons}")
        for _, reason in skipped:
            warnings.warn(f"study {study.key}: skipped: {reason}", ImageWarning, stacklevel=3)
        images = self._run_views(prepared, names, negatives)
        return StudyOutputs(study, images, tuple(skipped))

    def _run_views(
        self, views: Sequence[PreparedView], names: Sequence[str], negatives: bool = False
    ) -> tuple[ImageOutputs, ...]:
        spec = self.manifest.input_spec

        def run(batch: Array) -> Mapping[str, list[ExpertOutput]]:
            return {n: self._sessions[n].run(batch) for n in names}

        images = run_views(views, run)
        if negatives:
            images = with_negatives(images, views, run, spec)
        elif self._domain is not None:
            images = put_right(images, views, run, self._domain, spec)
        return tuple(images)

    def _image(
        self,
        names: Sequence[str],
        routing: np.ndarray,
        image: ImageOutputs,
        verdict: tuple[float | None, str],
    ) -> ImagePrediction:
        manifest = self.manifest
        fused = fuse_image(image.experts, routing, manifest)
        heat_map = image.placement.to_source(fused.grid)
        return ImagePrediction(
            source=str(image.ref.path),
            probability=float(sigmoid(fused.logit)),
            logit=fused.logit,
            bias=fused.bias,
            grid=fused.grid,
            heat_map=heat_map,
            body_part_probabilities=self._by_part([image.experts[n].body_part for n in names]),
            findings=findings_from_map(
                heat_map, manifest.fusion.map_threshold, peak=manifest.fusion.map_peak
            ),
            finding_probabilities={
                c: float(p) for c, p in zip(manifest.categories, fused.findings, strict=True)
            },
            experts=fused.experts,
            foreign=verdict[0],
            refusal=verdict[1],
            inverted=image.inverted,
        )

    def _by_part(self, logits: Sequence[Array]) -> dict[BodyPart, float]:
        shares = part_probabilities(logits)
        return {p: float(s) for p, s in zip(self.manifest.body_parts, shares, strict=True)}


def _alone(images: Sequence[ImagePrediction]) -> dict[str, float]:
    """The study probability of each expert alone."""
    names = images[0].experts
    return {n: float(np.mean(sigmoid([i.experts[n] for i in images]))) for n in names}
