"""Synthetic studies with files, and predictions of them that no network made."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ulna.bundle import DataFingerprint, ExpertEntry, Manifest, uncalibrated_fusion
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.evaluation.collect import study_row
from ulna.evaluation.rows import StudyRow
from ulna.imaging.geometry import Placement
from ulna.types import (
    BodyPart,
    Finding,
    FindingCategory,
    ImagePrediction,
    ImageRef,
    Study,
    StudyPrediction,
    Subtlety,
)

PARTS = (BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST)
SHAPE = (96, 80)
GRID = 7
STRENGTH = {Subtlety.OBVIOUS: 4.0, Subtlety.MODERATE: 3.0, Subtlety.SUBTLE: 0.5}


def sigmoid(z: float) -> float:
    return float(1 / (1 + np.exp(-z)))


def write_study(folder: Path, number: int, rng: np.random.Generator) -> Study:
    """A study of two views: a bright bone on black, a brighter blob where it is abnormal."""
    abnormal = bool(number % 2)
    level = list(Subtlety)[number // 6 % 3] if abnormal else None
    category = list(FindingCategory)[number // 18 % 6]
    images = []
    for view in range(2):
        picture = np.zeros(SHAPE, np.uint8)
        picture[8:90, 28:52] = 140 + rng.integers(0, 30)
        y, x = int(rng.integers(14, 70)), int(rng.integers(28, 40))
        path = folder / f"study{number}_{view}.png"
        findings: tuple[Finding, ...] = ()
        if abnormal:
            picture[y : y + 10, x : x + 10] = 230
            mask = np.zeros(SHAPE, np.uint8)
            mask[y : y + 10, x : x + 10] = 255
            Image.fromarray(mask).save(folder / f"mask{number}_{view}.png")
            findings = (Finding((x, y, 10, 10), category, subtlety=level, cnr=3.0),)
        Image.fromarray(picture).save(path)
        known = folder / f"mask{number}_{view}.png" if abnormal else None
        images.append(ImageRef(path, "PA", findings=findings, mask=known))
    return Study(
        patient_id=f"p{number // 3:03d}",
        study_id=f"study{number}",
        body_part=PARTS[number % 3],
        images=tuple(images),
        abnormal=abnormal,
        split="valid",
        categories=frozenset({category} if abnormal else ()),
    )


def predict(study: Study, body_part: BodyPart, rng: np.random.Generator) -> StudyPrediction:
    """An answer about as good as a trained model's; the map peaks at the finding."""
    strength = STRENGTH[study.subtlety] if study.subtlety else 0.0
    images = []
    for ref in study.images:
        placement = Placement.fit(SHAPE, GRID)
        grid = rng.normal(-1, 0.3, (GRID, GRID)).astype(np.float32)
        for finding in ref.findings:
            x, y, width, height = placement.box_to_target(finding.box)
            grid[int(y + height / 2), int(x + width / 2)] += 8 * strength
        z = rng.normal(strength - 2, 0.8)
        experts = {"cnn": z + rng.normal(0, 0.7), "tiny": z + rng.normal(0, 1.5)}
        images.append(
            ImagePrediction(
                source=str(ref.path),
                probability=sigmoid(z),
                logit=float(z),
                bias=float(z - grid.mean()),
                grid=grid,
                heat_map=placement.to_source(grid),
                body_part_probabilities={p: 0.9 if p == study.body_part else 0.05 for p in PARTS},
                experts={k: float(v) for k, v in experts.items()},
            )
        )
    probability = float(np.mean([i.probability for i in images]))
    return StudyPrediction(
        study=study,
        body_part=body_part,
        body_part_given=True,
        probability=probability,
        abnormal=probability >= 0.4,
        threshold=0.4,
        operating_point="specificity_0.90",
        body_part_probabilities=images[0].body_part_probabilities,
        images=tuple(images),
        bundle_hash="0" * 64,
        experts={
            n: float(np.mean([sigmoid(i.experts[n]) for i in images])) for n in images[0].experts
        },
    )


@pytest.fixture
def make_rows(tmp_path: Path) -> Callable[[int], list[StudyRow]]:
    """n -> rows of n synthetic studies, half abnormal, three body parts."""

    def make(n: int) -> list[StudyRow]:
        rng = np.random.default_rng(n)
        studies = [write_study(tmp_path, k, rng) for k in range(n)]
        rows = []
        for study in studies:
            assert study.body_part is not None
            prediction = predict(study, study.body_part, rng)
            rows.append(study_row(prediction, prediction, map_threshold=2.0))
        return rows

    return make


@pytest.fixture
def manifest() -> Manifest:
    """A manifest of two experts and three body parts, freshly exported."""
    recipe = Recipe(
        name="test",
        experts=(ExpertConfig("cnn", "cnn"), ExpertConfig("tiny", "cnn")),
        body_parts=PARTS,
    )
    experts = tuple(
        ExpertEntry(
            e.name,
            e.encoder,
            e.neck,
            f"{e.name}.onnx",
            "0" * 64,
            dict.fromkeys(PARTS, -1.0),
            (GRID, GRID),
            e.initial,
            1000,
        )
        for e in recipe.experts
    )
    return Manifest(
        name="test",
        created="2026-01-01T00:00:00Z",
        input_spec=recipe.input_spec,
        body_parts=PARTS,
        categories=(),
        experts=experts,
        fusion=uncalibrated_fusion(["cnn", "tiny"], PARTS, "specificity_0.90"),
        operating_point="specificity_0.90",
        recipe=recipe,
        data=DataFingerprint("phantom", "phantoms", 300, 600, "0" * 64),
        split={"train": 240, "tune": 24, "calibration": 36},
        versions={"ulna": "0.1.0", "torch": "2.11.0"},
    )
