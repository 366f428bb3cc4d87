"""Run a bundle on studies, each network once for every image, and collect rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ulna.datasets.finding_labels import known_findings
from ulna.errors import DatasetWarning, UlnaError, UlnaWarning, message_of
from ulna.evaluation.cascade_scores import cascade_answer
from ulna.evaluation.rows import Answer, ImageRow, StudyRow
from ulna.evaluation.truth import locate, truth_or_fault
from ulna.evaluation.unanswered import fault_kind
from ulna.imaging.geometry import letterbox
from ulna.types import Array, BodyPart, ImagePrediction, ImageRef, Study, StudyPrediction

if TYPE_CHECKING:
    from ulna.runtime import Predictor, StudyOutputs

Progress = Callable[[int, int], None]


def collect_rows(
    predictor: Predictor,
    studies: Sequence[Study],
    operating_point: str,
    progress: Progress | None = None,
    cascaded: Predictor | None = None,
) -> tuple[list[StudyRow], list[str]]:
    """Return one row for each study, in order, and the distinct warnings that occurred.

    `cascaded` is the same predictor with its cascade, whose answer is kept in addition. Every
    expert is run in either case.

    Errors do not stop the others. A study without a readable image, of a body part that the
    bundle does not know, or whose images exceed the memory is a row with a `fault`. An image whose
    mask cannot be read has no location, and the reason in `mask_error`.
    """
    rows = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UlnaWarning)
        for done, study in enumerate(studies, start=1):
            rows.append(_row(predictor, study, operating_point, cascaded))
            if progress is not None:
                progress(done, len(studies))
    for warning in caught:
        if not issubclass(warning.category, UlnaWarning):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    notes = [str(w.message) for w in caught if issubclass(w.category, UlnaWarning)]
    return rows, list(dict.fromkeys(notes))


def _row(
    predictor: Predictor, study: Study, operating_point: str, cascaded: Predictor | None
) -> StudyRow:
    manifest = predictor.bundle.manifest
    if study.body_part is not None and study.body_part not in manifest.body_parts:
        known = ", ".join(manifest.body_parts)
        return fault_row(study, f"body part {study.body_part}: the bundle knows {known}")
    try:
        outputs = predictor.outputs(study)
        row = row_of_outputs(predictor, outputs, operating_point)
        return row if cascaded is None else with_cascade(row, cascaded, outputs, operating_point)
    except (UlnaError, MemoryError) as error:
        return fault_row(study, message_of(error))


def with_cascade(
    row: StudyRow, cascaded: Predictor, outputs: StudyOutputs, operating_point: str
) -> StudyRow:
    """Return the row with the cascade's answer, unchanged where the bundle has no cascade."""
    cascade = cascaded.manifest.cascade
    if cascade is None:
        return row
    answer = cascaded.without_refusal().predict_outputs(outputs, operating_point)
    return replace(row, cascade=cascade_answer(answer, cascade.costs))


def row_of_outputs(predictor: Predictor, outputs: StudyOutputs, operating_point: str) -> StudyRow:
    """Return the row of a study whose experts have been run, including refused images."""
    predictor = predictor.without_refusal()
    given = predictor.predict_outputs(outputs, operating_point, body_part="given")
    recognised = predictor.predict_outputs(outputs, operating_point, body_part="recognise")
    row = study_row(given, recognised, predictor.manifest.fusion.map_threshold)
    labels = known_findings(outputs.study, predictor.manifest.abnormal_means)
    row = replace(row, finding_labels=labels)
    if not predictor.manifest.input_spec.trim_borders:
        return row
    grids = [whole_grid(i) for i in given.images]
    images = [replace(r, grid=g) for r, g in zip(row.images, grids, strict=True)]
    return replace(row, images=tuple(images))


def whole_grid(image: ImagePrediction) -> Array:
    """Return the (n, n) map over the square around the whole image, before borders were trimmed."""
    return letterbox(image.heat_map, max(image.grid.shape))[0]


def fault_row(study: Study, fault: str) -> StudyRow:
    """Return the row of a study without an answer."""
    return StudyRow(
        key=study.key,
        patient_id=study.patient_id,
        body_part=study.body_part,
        abnormal=study.abnormal,
        split=study.split,
        subtlety=study.subtlety,
        categories=study.categories or frozenset(),
        fault=fault,
        kind=fault_kind(fault, study),
        source=study.source,
    )


def study_row(
    given: StudyPrediction, recognised: StudyPrediction, map_threshold: float
) -> StudyRow:
    """Return the row of a study from its predictions with the true and the predicted body part."""
    study = given.study
    refs = {str(ref.path): ref for ref in study.images}
    images = tuple(
        replace(
            _image_row(refs[image.source], image, bool(study.abnormal), map_threshold),
            recognised=_most_likely(other),
        )
        for image, other in zip(given.images, recognised.images, strict=True)
    )
    return StudyRow(
        key=study.key,
        patient_id=study.patient_id,
        body_part=study.body_part,
        abnormal=study.abnormal,
        split=study.split,
        subtlety=study.subtlety,
        categories=study.categories or frozenset(),
        given=_answer(given),
        recognised=_answer(recognised),
        experts=dict(given.experts),
        images=images,
        skipped=given.skipped,
        source=study.source,
    )


def _answer(prediction: StudyPrediction) -> Answer:
    return Answer(
        prediction.body_part,
        prediction.probability,
        prediction.abnormal,
        prediction.threshold,
        prediction.p_normal,
        prediction.p_abnormal,
        dict(prediction.finding_probabilities),
        dict(prediction.finding_thresholds),
        prediction.leading_finding,
    )


def _most_likely(image: ImagePrediction) -> BodyPart | None:
    parts = image.body_part_probabilities
    return max(parts, key=lambda p: parts[p]) if parts else None


def _image_row(
    ref: ImageRef, image: ImagePrediction, abnormal: bool, map_threshold: float
) -> ImageRow:
    shape = (image.heat_map.shape[0], image.heat_map.shape[1])
    mask, mask_error = truth_or_fault(ref, shape) if abnormal else (None, "")
    return ImageRow(
        ref=ref,
        probability=image.probability,
        logit=image.logit,
        shape=shape,
        grid=image.grid,
        experts=dict(image.experts),
        refusal=image.refusal,
        location=None if mask is None else locate(image.heat_map, mask, map_threshold),
        mask_error=mask_error,
    )


def check_splits(rows: Sequence[StudyRow]) -> list[str]:
    """Return a sentence, which is warned of too, if studies of the training set were evaluated."""
    train = sum(r.split == "train" for r in rows)
    if not train:
        return []
    message = (
        f"{train} of {len(rows)} evaluated studies are marked 'train' in the data: "
        "scores of a bundle that was trained on them are too high"
    )
    warnings.warn(message, DatasetWarning, stacklevel=2)
    return [message]
