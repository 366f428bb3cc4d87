"""A bundle's features and answers for images under each control of `standardise`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ulna.config.engine import PORTABLE, EngineSettings
from ulna.errors import ConfigError, DatasetError, ImageError, ImageWarning, UlnaError, message_of
from ulna.evaluation.scores import (
    Json,
    Resampling,
    Sample,
    answers_sample,
    interval_json,
    measure,
    statistics,
)
from ulna.imaging import read_radiograph
from ulna.metrics.bootstrap import bootstrap_intervals, difference_of
from ulna.preprocess import prepare
from ulna.robustness.sources.probe import ImageFeatures
from ulna.robustness.sources.standardise import CONTROLS, Control
from ulna.robustness.stress.answers import read_views
from ulna.runtime.session import Session
from ulna.types import Study, StudyPrediction

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle
    from ulna.runtime import Predictor

Progress = Callable[[int, int], None]
_BATCH = 16
MEASURES = ("auroc", "average_precision", "sensitivity", "specificity")


def image_features(
    bundle: ModelBundle,
    studies: Sequence[Study],
    control: Control = CONTROLS["plain"],
    expert: str = "",
    engine: EngineSettings = PORTABLE,
) -> ImageFeatures:
    """Return the output "features" of an expert's graph for every image of `studies`.

    expert: its name, or '' for the features of all experts, concatenated. control: applied to each
    image first. Images that cannot be read are left out (ImageWarning). Raises ConfigError for an
    expert that the bundle does not have, DatasetError where no image is left.
    """
    names = [e.name for e in bundle.manifest.experts]
    if expert and expert not in names:
        raise ConfigError(f"expert {expert!r}: the bundle has {', '.join(names)}")
    graphs = [e for e in bundle.manifest.experts if expert in ("", e.name)]
    sessions = [Session(bundle.graph_path(e), engine) for e in graphs]
    spec = bundle.manifest.input_spec
    read: list[Study] = []
    features, batch = [], []
    images = [(s, ref) for s in studies for ref in s.images]
    for place, (study, ref) in enumerate(images, start=1):
        try:
            batch.append(prepare(control(read_radiograph(ref.path)), spec)[0])
            read.append(study)
        except ImageError as error:
            warnings.warn(f"{ref.path}: left out: {message_of(error)}", ImageWarning, stacklevel=2)
        if batch and (len(batch) == _BATCH or place == len(images)):
            outputs = zip(*(session.run(np.stack(batch)) for session in sessions), strict=True)
            features += [np.concatenate([o.features for o in image]) for image in outputs]
            batch = []
    if not read:
        raise DatasetError(
            f"none of {len(images)} images can be read: expected readable radiographs"
        )
    label = [np.nan if s.abnormal is None else float(s.abnormal) for s in read]
    return ImageFeatures(
        features=np.array(features, np.float64),
        source=np.array([s.source for s in read]),
        patient=np.array([s.patient_id for s in read]),
        body_part=np.array([s.body_part or "" for s in read]),
        abnormal=np.array(label),
    )


def score_controls(
    predictor: Predictor,
    studies: Sequence[Study],
    controls: Mapping[str, Control] = CONTROLS,
    resampling: Resampling | None = None,
    progress: Progress | None = None,
) -> Json:
    """Score the same studies under each control, and their differences from the first control.

    Returns `n_studies`, `left_out` (study -> reason) and `controls`: `{control: {scores: {measure:
    {value, low, high}}, minus: {...}, refused: share of studies}}` with the measures of `MEASURES`.
    Differences are paired on the same bootstrap draws over patients. Refused studies are scored
    too. Studies without a label are not counted, and those without an answer under every control
    are left out. Raises DatasetError where no study remains.
    """
    resampling = resampling or Resampling()
    answered: list[Study] = []
    answers: list[list[StudyPrediction]] = []
    left_out: dict[str, str] = {}
    labelled = [s for s in studies if s.abnormal is not None]
    predictor = predictor.without_refusal()
    for done, study in enumerate(labelled, start=1):
        try:
            answers.append([_answer(predictor, study, c) for c in controls.values()])
            answered.append(study)
        except (UlnaError, MemoryError) as error:
            left_out[study.key] = message_of(error)
        if progress is not None:
            progress(done, len(labelled))
    if not answered:
        raise DatasetError(
            f"none of {len(studies)} studies has a label and an answer: expected at least one "
            f"(first fault: {next(iter(left_out.values()), 'no labels')})"
        )
    samples = {n: answers_sample(answered, [a[i] for a in answers]) for i, n in enumerate(controls)}
    first = next(iter(samples.values()))
    result: Json = {"n_studies": len(answered), "left_out": left_out, "controls": {}}
    for i, (name, sample) in enumerate(samples.items()):
        result["controls"][name] = {
            "scores": measure(sample, resampling, MEASURES),
            "minus": _difference(sample, first, resampling),
            "refused": float(np.mean([_refused(a[i]) for a in answers])),
        }
    return result


def _answer(predictor: Predictor, study: Study, control: Control) -> StudyPrediction:
    views = read_views(study)
    if not views:
        raise ImageError(f"{study.key}: none of its radiographs can be read")
    return predictor.predict_radiographs([control(v) for v in views], study.body_part)


def _refused(answer: StudyPrediction) -> bool:
    return all(image.refusal for image in answer.images)


def _difference(sample: Sample, other: Sample, resampling: Resampling) -> Json:
    first, second = statistics(sample), statistics(other)
    paired = {n: difference_of(first[n], second[n]) for n in MEASURES}
    intervals = bootstrap_intervals(sample.patients, paired, resampling.draws, resampling.seed)
    return {n: interval_json(i) for n, i in intervals.items()}
