"""Made-up predictions, for tests of what is written about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ulna.types import (
    BodyPart,
    Finding,
    FindingCategory,
    ImagePrediction,
    ImageRef,
    Study,
    StudyPrediction,
)


def prediction(folder: Path) -> StudyPrediction:
    """Of one view, a wrist, with one region; its image is written to `folder`."""
    radiograph = folder / "an image.png"
    Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30).astype(np.uint8)).save(
        radiograph
    )
    heat = np.zeros((20, 30), np.float32)
    heat[5:10, 5:10] = 4.0
    outline = np.array([[5, 5], [10, 5], [10, 10], [5, 10]], np.float32)
    image = ImagePrediction(
        source=str(radiograph),
        probability=0.75,
        logit=float(np.log(3)),
        bias=-1.0,
        grid=heat[::5, ::5],
        heat_map=heat,
        body_part_probabilities={BodyPart.WRIST: 1.0},
        findings=(Finding((5, 5, 5, 5), score=4.0, outline=outline),),
        finding_probabilities={FindingCategory.FRACTURE: 0.5},
        experts={"cnn": 1.0},
    )
    return StudyPrediction(
        study=Study("p/1", "s 1", None, (ImageRef(radiograph),)),
        body_part=BodyPart.WRIST,
        body_part_given=False,
        probability=0.75,
        abnormal=True,
        threshold=0.5,
        operating_point="balanced",
        body_part_probabilities={BodyPart.WRIST: 1.0},
        images=(image,),
        bundle_hash="ab12",
        experts={"cnn": 0.7},
        skipped=(("b.png", "0 bytes"),),
    )


def named(folder: Path) -> StudyPrediction:
    """Of a bundle whose label is fracture and whose findings are calibrated."""
    plain = prediction(folder)
    region = replace(plain.images[0].findings[0], category=FindingCategory.HARDWARE)
    stated = {FindingCategory.FRACTURE: 0.5, FindingCategory.HARDWARE: 0.3}
    maps = {c: plain.images[0].heat_map * s for c, s in zip(stated, (0.5, 1.0), strict=True)}
    image = replace(plain.images[0], findings=(region, region), finding_maps=maps)
    return replace(
        plain,
        images=(replace(image, finding_probabilities=stated),),
        finding_probabilities=stated,
        finding_thresholds={FindingCategory.FRACTURE: 0.6, FindingCategory.HARDWARE: 0.2},
        leading_finding=FindingCategory.HARDWARE,
        abnormal_means="fracture",
        p_normal=0.02,
        p_abnormal=0.4,
    )
