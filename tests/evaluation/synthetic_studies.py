"""Synthetic studies with files, predictions that no network made, and a bundle that sees blobs."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from PIL import Image

from ulna.bundle import (
    DataFingerprint,
    ExpertEntry,
    Manifest,
    ModelBundle,
    uncalibrated_fusion,
    write_bundle,
)
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, Recipe
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
SHAPE = (112, 96)
GRID = 7
STRENGTH = {Subtlety.OBVIOUS: 4.0, Subtlety.MODERATE: 3.0, Subtlety.SUBTLE: 0.5}
BRIGHTNESS = {Subtlety.OBVIOUS: 230, Subtlety.MODERATE: 210, Subtlety.SUBTLE: 172}
# The marker stands in another cell of the top row for each body part.
MARKER_CELLS = (1, 3, 5)


def sigmoid(z: float) -> float:
    return float(1 / (1 + np.exp(-z)))


def write_study(folder: Path, number: int, rng: np.random.Generator) -> Study:
    """Two views: a bone on black, a marker, and a brighter blob where the study is abnormal."""
    abnormal = bool(number % 2)
    level = list(Subtlety)[number // 6 % 3] if abnormal else None
    category = list(FindingCategory)[number // 18 % 6]
    images = []
    for view in range(2):
        picture = np.zeros(SHAPE, np.uint8)
        picture[20:108, 32:66] = 140 + rng.integers(0, 30)
        left = 16 * MARKER_CELLS[number % 3] - 6
        picture[2:12, left : left + 10] = 250
        y, x = int(rng.integers(24, 90)), int(rng.integers(34, 50))
        path, mask_path = (folder / f"{name}{number}_{view}.png" for name in ("study", "mask"))
        findings: tuple[Finding, ...] = ()
        if level is not None:
            picture[y : y + 14, x : x + 14] = BRIGHTNESS[level]
            mask = np.zeros(SHAPE, np.uint8)
            mask[y : y + 14, x : x + 14] = 255
            Image.fromarray(mask).save(mask_path)
            findings = (Finding((x, y, 14, 14), category, subtlety=level, cnr=3.0),)
        Image.fromarray(picture).save(path)
        images.append(ImageRef(path, "PA", findings=findings, mask=mask_path if level else None))
    return Study(
        patient_id=f"p{number // 3:03d}",
        study_id=f"study{number}",
        body_part=PARTS[number % 3],
        images=tuple(images),
        abnormal=abnormal,
        split="valid",
        categories=frozenset({category} if abnormal else ()),
    )


def write_studies(folder: Path, n: int) -> list[Study]:
    rng = np.random.default_rng(n)
    return [write_study(folder, k, rng) for k in range(n)]


def predict(study: Study, body_part: BodyPart, rng: np.random.Generator) -> StudyPrediction:
    """An answer about as good as a trained model's; the map peaks at the finding."""
    images = tuple(_predict_image(study, ref, rng) for ref in study.images)
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
        images=images,
        bundle_hash="0" * 64,
        experts={
            n: float(np.mean([sigmoid(i.experts[n]) for i in images])) for n in images[0].experts
        },
    )


def _predict_image(study: Study, ref: ImageRef, rng: np.random.Generator) -> ImagePrediction:
    strength = STRENGTH[study.subtlety] if study.subtlety else 0.0
    placement = Placement.fit(SHAPE, GRID)
    grid = rng.normal(-1, 0.3, (GRID, GRID)).astype(np.float32)
    for finding in ref.findings:
        x, y, width, height = placement.box_to_target(finding.box)
        grid[int(y + height / 2), int(x + width / 2)] += 8 * strength
    z = float(rng.normal(strength - 2, 0.8))
    return ImagePrediction(
        source=str(ref.path),
        probability=sigmoid(z),
        logit=z,
        bias=float(z - grid.mean()),
        grid=grid,
        heat_map=placement.to_source(grid),
        body_part_probabilities={p: 0.9 if p == study.body_part else 0.05 for p in PARTS},
        experts={"cnn": z + float(rng.normal(0, 0.7)), "tiny": z + float(rng.normal(0, 1.5))},
    )


def make_manifest() -> Manifest:
    """Two experts and three body parts, freshly exported."""
    recipe = Recipe(
        name="test",
        experts=(ExpertConfig("cnn", "resnet18"), ExpertConfig("tiny", "resnet18")),
        body_parts=PARTS,
        input_spec=InputSpec(size=56),
    )
    experts = tuple(
        ExpertEntry(
            name=e.name,
            encoder=e.encoder,
            neck=e.neck,
            graph=f"{e.name}.onnx",
            sha256="0" * 64,
            biases=dict.fromkeys(PARTS, 0.0),
            grid=(GRID, GRID),
            initial=e.initial,
            parameters=1000,
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


def blob_graph(threshold: float) -> bytes:
    """An expert: the map is what is brighter than `threshold`, the marker tells the part."""
    top = np.ones((1, 1, GRID, GRID), np.float32)
    top[:, :, 0] = 0
    constants = {
        "scale": np.full((3, 1, 1, 1), 30.0, np.float32),
        "shift": np.full(3, -30.0 * threshold - 4, np.float32),
        "below": np.full((1, 3, 1, 1), -0.5, np.float32),
        "inside": top,
        "cells": np.array(MARKER_CELLS, np.int64),
        "row": np.array([0], np.int64),
        "flat": np.array([0, 3], np.int64),
    }
    nodes = [
        helper.make_node("MaxPool", ["image"], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Mul", ["pooled", "inside"], ["body"]),
        helper.make_node("Conv", ["body", "scale", "shift"], ["bright"]),
        helper.make_node("Max", ["bright", "below"], ["cam"]),
        helper.make_node("ReduceMean", ["cam"], ["abnormal"], axes=[2, 3], keepdims=0),
        helper.make_node("Gather", ["pooled", "row"], ["line"], axis=2),
        helper.make_node("Gather", ["line", "cells"], ["marks"], axis=3),
        helper.make_node("Reshape", ["marks", "flat"], ["body_part"]),
    ]
    kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
    initializers = [
        helper.make_tensor(n, kinds[v.dtype], v.shape, v.ravel()) for n, v in constants.items()
    ]
    shapes = {"abnormal": ["B", 3], "body_part": ["B", 3], "cam": ["B", 3, GRID, GRID]}
    graph = helper.make_graph(
        nodes,
        "blob",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", 1, 56, 56])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()],
        initializers,
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def write_blob_bundle(out: Path) -> ModelBundle:
    """Expert 'cnn' sees every blob, 'tiny' the obvious ones only."""
    return write_bundle(make_manifest(), {"cnn": blob_graph(0.9), "tiny": blob_graph(1.5)}, out)
