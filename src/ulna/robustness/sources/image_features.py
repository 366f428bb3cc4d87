"""A bundle's features of, and answers to, images under each control of `standardise`."""

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
    """The output "features" of an expert's graph for every image of `studies`.

    expert: its name; '' for those of all experts beside each other. control: what is done to each
    image before. Images that cannot be read are left out (ImageWarning). Raises ConfigError for an
    expert that the bundle does not have, DatasetError where no image is left.
    """
    names = [e.name for e in bundle.manifest.experts]
    if expert and expert not in names:
        raise ConfigError(f"expert {expert!r}: the bundle has {', '.join(names)}")
    graphs = [e for e in bundle.manifest.experts if expert in ("", e.name)]
    sessions = [Session(bundle.graph_path(e), engine) for e in graphs]
    spec = bundle.manifest.input_spec
    known: list[Study] = []
    result, batch = [], []
    images = [(s, ref) for s in studies for ref in s.images]
    for place, (study, ref) in enumerate(images, start=1):
        try:
            batch.append(prepare(control(read_radiograph(ref.path)), spec)[0])
            known.append(study)
        except ImageError as error:
            warnings.warn(f"{ref.path}: left out: {message_of(error)}", ImageWarning, stacklevel=2)
        if batch and (len(batch) == _BATCH or place == len(images)):
            message = [session.run(np.stack(batch)) for session in sessions]
            result += [
                np.concatenate([o.features for o in own]) for own in zip(*message, strict=True)
            ]
            batch = []
    if not known:
        raise DatasetError(f"none of {len(images)} images can be read: nothing to probe")
    label = [np.nan if s.abnormal is None else float(s.abnormal) for s in known]
    return ImageFeatures(
        features=np.array(result, np.float64),
        source=np.array([s.source for s in known]),
        patient=np.array([s.patient_id for s in known]),
        body_part=np.array([s.body_part or "" for s in known]),
        abnormal=np.array(label),
    )


def score_controls(
    predictor: Predictor,
    studies: Sequence[Study],
    controls: Mapping[str, Control] = CONTROLS,
    how: Resampling | None = None,
    progress: Progress | None = None,
) -> Json:
    """Scores of the same studies under each control, and their differences from the first.

    `{control: {scores: {measure: {value, low, high}}, minus: {...}, refused: share of studies}}`
    with the measures of `MEASURES`, differences paired on the same bootstrap draws over patients.
    Refused studies are scored all the same. Studies without a label, and those that cannot be
    answered under every control, do not count (`n_studies`, `left_out` by reason). Raises
    DatasetError where none is left.
    """
    how = how or Resampling()
    answered: list[Study] = []
    answers: list[list[StudyPrediction]] = []
    left_out: dict[str, str] = {}
    wanted = [s for s in studies if s.abnormal is not None]
    requested = predictor.without_refusal()
    for done, study in enumerate(wanted, start=1):
        try:
            answers.append([_answer(requested, study, c) for c in controls.values()])
            answered.append(study)
        except (UlnaError, MemoryError) as error:
            left_out[study.key] = message_of(error)
        if progress is not None:
            progress(done, len(wanted))
    if not answered:
        raise DatasetError(
            f"none of {len(studies)} studies has a label and an answer: {[*left_out.values()][:1]}"
        )
    samples = {n: answers_sample(answered, [a[i] for a in answers]) for i, n in enumerate(controls)}
    first = next(iter(samples.values()))
    result: Json = {"n_studies": len(answered), "left_out": left_out, "controls": {}}
    for i, (name, sample) in enumerate(samples.items()):
        result["controls"][name] = {
            "scores": measure(sample, how, MEASURES),
            "minus": _difference(sample, first, how),
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


def _difference(sample: Sample, other: Sample, how: Resampling) -> Json:
    mine, theirs = statistics(sample), statistics(other)
    paired = {n: difference_of(mine[n], theirs[n]) for n in MEASURES}
    result = bootstrap_intervals(sample.patients, paired, how.draws, how.seed)
    return {n: interval_json(i) for n, i in result.items()}
