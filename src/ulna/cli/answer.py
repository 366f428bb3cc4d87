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

    error_rate: of the triage.
    """
    return {
        "patient_id": prediction.study.patient_id,
        "study_id": prediction.study.study_id,
        "body_part": prediction.body_part.value,
        "body_part_given": prediction.body_part_given,
        "body_part_probabilities": _by_name(prediction.body_part_probabilities),
        "abnormal": prediction.abnormal,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "operating_point": prediction.operating_point,
        "certainty": prediction.certainty,
        "map_reliable": prediction.map_reliable,
        "p_normal": prediction.p_normal,
        "p_abnormal": prediction.p_abnormal,
        "triage": prediction.triage(error_rate),
        "error_rate": error_rate,
        "experts": _by_name(prediction.experts),
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
        "ABNORMAL" if prediction.abnormal else "normal",
        f"{prediction.probability:.3f}",
        f"{prediction.threshold:.3f}",
        prediction.certainty or "-",
        prediction.triage(error_rate) or "-",
        str(len(prediction.images)),
        str(sum(len(i.findings) for i in prediction.images)),
    ]


def worklist(predictions: Sequence[StudyPrediction], error_rate: float) -> list[StudyPrediction]:
    """Most urgent first: abnormal, then to be referred, then normal; in each the least normal.

    Within a group by p_abnormal - p_normal, which is comparable across body parts. Raises
    ConfigError if the bundle gave no p-values.
    """
    from ulna.errors import ConfigError
    from ulna.types import Triage

    order = list(Triage)

    def urgency(prediction: StudyPrediction) -> tuple[int, float]:
        found = prediction.triage(error_rate)
        if found is None or prediction.p_normal is None or prediction.p_abnormal is None:
            raise ConfigError(
                "the bundle is not calibrated, so nothing can be ranked: run `ulna calibrate`"
            )
        return order.index(found), prediction.p_normal - prediction.p_abnormal

    return sorted(predictions, key=urgency)


def folder_name(prediction: StudyPrediction) -> str:
    """A name for the study's folder: body part, patient, study; safe on any file system."""
    study = prediction.study
    return _file_name(f"{prediction.body_part.value}_{study.patient_id}_{study.study_id}")


def write_heat_maps(prediction: StudyPrediction, folder: Path, limit: float) -> list[Path]:
    """One PNG per view in `folder`: the film, the map on the fixed scale, outlines.

    limit: the logit of the last colour, from the bundle. Maps that failed their examination say
    so on the picture. Returns the files.
    """
    from PIL import Image

    from ulna.imaging import read_radiograph
    from ulna.imaging.overlay import UNRELIABLE, draw_note, draw_outline, draw_overlay

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, image in enumerate(prediction.images, 1):
        radiograph = read_radiograph(Path(image.source))
        picture = draw_overlay(radiograph, image.heat_map, limit)
        for finding in image.findings:
            if finding.outline is not None:
                picture = draw_outline(picture, finding.outline)
        if prediction.map_reliable is False:
            picture = draw_note(picture, UNRELIABLE)
        path = folder / f"{number}_{_file_name(Path(image.source).stem)}.png"
        Image.fromarray(picture).save(path)
        written.append(path)
    return written


def _image_json(image: ImagePrediction) -> dict[str, Any]:
    return {
        "source": image.source,
        "probability": image.probability,
        "logit": image.logit,
        "body_part_probabilities": _by_name(image.body_part_probabilities),
        "finding_probabilities": _by_name(image.finding_probabilities),
        "experts": _by_name(image.experts),
        "findings": [_finding_json(f) for f in image.findings],
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
