"""A `StudyPrediction` as JSON, as a table row and as pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.types import Finding, ImagePrediction, StudyPrediction

COLUMNS = (
    "study",
    "body part",
    "answer",
    "probability",
    "threshold",
    "finding",
    "triage",
    "views",
    "findings",
)


def answer_json(prediction: StudyPrediction, error_rate: float) -> dict[str, Any]:
    """Everything of `prediction` but its maps; the form of `ulna predict --json`.

    error_rate: of the triage. Of a refused study what would be an answer is null.
    """
    answered = not prediction.refused
    return {
        "patient_id": prediction.study.patient_id,
        "study_id": prediction.study.study_id,
        "body_part": prediction.body_part.value,
        "body_part_given": prediction.body_part_given,
        "body_part_probabilities": _by_name(prediction.body_part_probabilities),
        "refused": prediction.refused or None,
        "flags": list(prediction.flags),
        "demonstration": prediction.demonstration,
        "abnormal": prediction.abnormal if answered else None,
        "probability": prediction.probability if answered else None,
        "threshold": prediction.threshold,
        "operating_point": prediction.operating_point,
        "certainty": prediction.certainty,
        "map_reliable": prediction.map_reliable,
        "p_normal": prediction.p_normal,
        "p_abnormal": prediction.p_abnormal,
        "triage": prediction.triage(error_rate),
        "error_rate": error_rate,
        "experts": _by_name(prediction.experts) if answered else {},
        "skipped_experts": list(prediction.skipped_experts),
        "images": [_image_json(i) for i in prediction.images],
        "skipped": [{"image": name, "reason": reason} for name, reason in prediction.skipped],
        "bundle": prediction.bundle_hash,
    }


def answer_row(prediction: StudyPrediction, error_rate: float) -> list[str]:
    """One row under COLUMNS. error_rate: of the triage."""
    part = prediction.body_part.value + ("" if prediction.body_part_given else " (recognised)")
    return [
        prediction.study.study_id,
        part,
        _word(prediction),
        "-" if prediction.refused else f"{prediction.probability:.3f}",
        f"{prediction.threshold:.3f}",
        prediction.certainty or "-",
        prediction.triage(error_rate) or "-",
        str(len(prediction.images)),
        str(sum(len(i.findings) for i in prediction.images if not i.refusal)),
    ]


def answer_notes(prediction: StudyPrediction) -> list[str]:
    """What the table has no room for: why the study was refused, its flags, experts skipped."""
    study = prediction.study.study_id
    said = [f"{study}: refused: {prediction.refused}"] if prediction.refused else []
    said += [f"{study}: {flag}" for flag in prediction.flags]
    if prediction.skipped_experts:
        run, skipped = ", ".join(prediction.experts), ", ".join(prediction.skipped_experts)
        said.append(f"{study}: answered by {run} alone; skipped: {skipped}")
    return said


def _word(prediction: StudyPrediction) -> str:
    if prediction.refused:
        return "refused"
    return "ABNORMAL" if prediction.abnormal else "normal"


def worklist(predictions: Sequence[StudyPrediction], error_rate: float) -> list[StudyPrediction]:
    """Most urgent first: abnormal, then to be referred, then normal; in each the least normal.

    Within a group by p_abnormal - p_normal, which is comparable across body parts; refused
    studies come first of those to be referred. Raises ConfigError if the bundle gave no p-values.
    """
    from ulna.errors import ConfigError
    from ulna.types import Triage

    order = list(Triage)

    def urgency(prediction: StudyPrediction) -> tuple[int, float]:
        found = prediction.triage(error_rate)
        if prediction.refused:
            return order.index(Triage.REFER), -2.0
        if found is None or prediction.p_normal is None or prediction.p_abnormal is None:
            raise ConfigError(
                "the bundle gives no triage (it is not calibrated, or was by an earlier version), "
                "so nothing can be ranked: run `ulna calibrate`"
            )
        return order.index(found), prediction.p_normal - prediction.p_abnormal

    return sorted(predictions, key=urgency)


def folder_name(prediction: StudyPrediction) -> str:
    """A name for the study's folder: body part, patient, study; safe on any file system."""
    study = prediction.study
    return _file_name(f"{prediction.body_part.value}_{study.patient_id}_{study.study_id}")


def write_heat_maps(prediction: StudyPrediction, folder: Path, limit: float) -> list[Path]:
    """One PNG per view in `folder`: the film, the map on the fixed scale, outlines.

    A refused view has none: its map means nothing. limit: the logit of the last colour, from the
    bundle. Maps that failed their examination, or are of a demonstration, say so on the picture.
    Returns the files.
    """
    from PIL import Image

    from ulna.imaging import read_radiograph
    from ulna.imaging.overlay import cautions, draw_note, draw_outline, draw_overlay

    folder.mkdir(parents=True, exist_ok=True)
    note = cautions(prediction)
    written = []
    for number, image in enumerate(prediction.images, 1):
        if image.refusal:
            continue
        radiograph = read_radiograph(Path(image.source))
        picture = draw_overlay(radiograph, image.heat_map, limit)
        for finding in image.findings:
            if finding.outline is not None:
                picture = draw_outline(picture, finding.outline)
        if note:
            picture = draw_note(picture, note)
        path = folder / f"{number}_{_file_name(Path(image.source).stem)}.png"
        Image.fromarray(picture).save(path)
        written.append(path)
    return written


def _image_json(image: ImagePrediction) -> dict[str, Any]:
    return {
        "source": image.source,
        "refusal": image.refusal or None,
        "foreign": image.foreign,
        "inverted": image.inverted,
        "probability": None if image.refusal else image.probability,
        "logit": None if image.refusal else image.logit,
        "body_part_probabilities": _by_name(image.body_part_probabilities),
        "finding_probabilities": {} if image.refusal else _by_name(image.finding_probabilities),
        "experts": {} if image.refusal else _by_name(image.experts),
        "findings": [] if image.refusal else [_finding_json(f) for f in image.findings],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    outline: Sequence[Sequence[float]] = []
    if finding.outline is not None:
        outline = [[round(float(x), 2), round(float(y), 2)] for x, y in finding.outline]
    return {"box": list(finding.box), "score": finding.score, "outline": outline}


def _by_name(values: Mapping[Any, float]) -> dict[str, float]:
    return {str(k): float(v) for k, v in values.items()}


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._") or "study"
