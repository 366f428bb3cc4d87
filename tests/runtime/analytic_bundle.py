"""Bundles whose experts are simple formulas (block means times a gain) that tests can check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ulna.bundle import (
    CascadeCheck,
    CascadeParameters,
    CascadeStage,
    ConformalScores,
    DataFingerprint,
    ExpertEntry,
    FusionParameters,
    Manifest,
    ModelBundle,
    uncalibrated_fusion,
    write_bundle,
)
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, InitialWeights, Recipe
from ulna.types import BodyPart, FindingCategory, ImageRef, Study

SIZE = 56
PARTS = (BodyPart.ELBOW, BodyPart.WRIST)
CATEGORIES = (FindingCategory.FRACTURE, FindingCategory.HARDWARE)


@dataclass(frozen=True)
class Analytic:
    """cam[p] = gain[p] * block mean; body_part = slope * mean + level; finding likewise.

    gives_features: 16 more outputs, the means of a 4 x 4 grid. finding_levels: biases of the
    finding head. gives_maps: a map for each category, finding * block mean.
    """

    name: str
    grid: int
    gains: tuple[float, float]
    biases: tuple[float, float]
    slopes: tuple[float, float] = (2.0, -1.0)
    levels: tuple[float, float] = (0.3, 0.1)
    finding: tuple[float, float] = (1.0, -3.0)
    gives_features: bool = False
    finding_levels: tuple[float, float] = (0.0, 0.0)
    gives_maps: bool = False

    def answer(self, image: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float64]]:
        """The expected outputs for one prepared image (1, S, S), in double precision."""
        block = SIZE // self.grid
        pixels = image[0].astype(np.float64)
        means = pixels.reshape(self.grid, block, self.grid, block).mean(axis=(1, 3))
        cam = np.array([g * means for g in self.gains])
        return {
            "abnormal": cam.mean(axis=(1, 2)) + np.array(self.biases),
            "body_part": np.array(self.slopes) * pixels.mean() + np.array(self.levels),
            "finding": np.array(self.finding) * pixels.mean() + np.array(self.finding_levels),
            "cam": cam,
            **({"finding_cam": self._finding_cam(means)} if self.gives_maps else {}),
        }

    def _finding_cam(self, means: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.array([s * means for s in self.finding])

    def _feature_nodes(self) -> list[onnx.NodeProto]:
        if not self.gives_features:
            return []
        quarters = {"kernel_shape": [SIZE // 4] * 2, "strides": [SIZE // 4] * 2}
        return [
            helper.make_node("AveragePool", ["image"], ["quarters"], **quarters),
            helper.make_node("Flatten", ["quarters"], ["features"]),
        ]

    def _head_nodes(self) -> list[onnx.NodeProto]:
        block = SIZE // self.grid
        sides = {"kernel_shape": [block, block], "strides": [block, block]}
        return [
            helper.make_node("AveragePool", ["image"], ["blocks"], **sides),
            helper.make_node("Conv", ["blocks", "gains"], ["cam"]),
            helper.make_node("ReduceMean", ["cam", "space"], ["cam_mean"], keepdims=0),
            helper.make_node("Add", ["cam_mean", "biases"], ["abnormal"]),
            helper.make_node("ReduceMean", ["image", "space"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "slopes"], ["sloped"]),
            helper.make_node("Add", ["sloped", "levels"], ["body_part"]),
            helper.make_node("Mul", ["mean", "finding_slopes"], ["found"]),
            helper.make_node("Add", ["found", "finding_levels"], ["finding"]),
        ]

    def graph(self) -> bytes:
        """The same as ONNX."""
        constants = {
            "gains": np.array(self.gains).reshape(2, 1, 1, 1),
            "biases": np.array([self.biases]),
            "slopes": np.array([self.slopes]),
            "levels": np.array([self.levels]),
            "finding_slopes": np.array([self.finding]),
            "finding_levels": np.array([self.finding_levels]),
            "finding_gains": np.array(self.finding).reshape(2, 1, 1, 1),
        }
        values = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()]
        values.append(numpy_helper.from_array(np.array([2, 3], np.int64), "space"))
        nodes = self._head_nodes() + self._feature_nodes()
        if self.gives_maps:
            nodes.append(helper.make_node("Conv", ["blocks", "finding_gains"], ["finding_cam"]))
        shapes: dict[str, list[str | int]] = {
            "abnormal": ["b", 2],
            "body_part": ["b", 2],
            "finding": ["b", 2],
            "cam": ["b", 2, self.grid, self.grid],
            **({"features": ["b", 16]} if self.gives_features else {}),
            **({"finding_cam": ["b", 2, self.grid, self.grid]} if self.gives_maps else {}),
        }
        graph = helper.make_graph(
            nodes,
            "analytic",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 1, SIZE, SIZE])],
            [helper.make_tensor_value_info(k, TensorProto.FLOAT, s) for k, s in shapes.items()],
            values,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        onnx.checker.check_model(model)
        return model.SerializeToString()


COARSE = Analytic("coarse", 7, (1.5, -0.5), (0.2, -0.4))
FINE = Analytic("fine", 28, (0.8, 2.0), (-0.3, 0.1), slopes=(1.0, 1.5), levels=(0.0, 0.2))


MAPPING = tuple(
    replace(e, gives_maps=True, finding_levels=levels)
    for e, levels in ((COARSE, (0.4, -0.2)), (FINE, (-0.1, 0.3)))
)


def write_analytic(
    out: Path,
    experts: Sequence[Analytic] = (COARSE, FINE),
    fusion: FusionParameters | None = None,
) -> ModelBundle:
    """A bundle of these experts; `fusion` as fresh from export unless given."""
    names = [e.name for e in experts]
    manifest = Manifest(
        name="analytic",
        created="2026-01-01T00:00:00+00:00",
        input_spec=InputSpec(size=SIZE),
        body_parts=PARTS,
        categories=CATEGORIES,
        experts=tuple(
            ExpertEntry(
                name=e.name,
                encoder="cnn",
                neck="plain",
                graph=f"{e.name}.onnx",
                sha256="",
                biases=dict(zip(PARTS, e.biases, strict=True)),
                grid=(e.grid, e.grid),
                initial=InitialWeights(),
                parameters=2,
                finding_biases=dict(
                    zip(CATEGORIES, e.finding_levels, strict=True) if e.gives_maps else ()
                ),
            )
            for e in experts
        ),
        fusion=fusion or uncalibrated_fusion(names, PARTS, "balanced"),
        operating_point="balanced",
        recipe=Recipe("analytic", tuple(ExpertConfig(n, "cnn") for n in names), PARTS),
        data=DataFingerprint("phantom", "none", 0, 0, ""),
        split={},
        versions={},
    )
    return write_bundle(manifest, {e.name: e.graph() for e in experts}, out)


FITTED = FusionParameters(
    weights={PARTS[0]: {"coarse": 0.3, "fine": 0.7}, PARTS[1]: {"coarse": 1.0, "fine": 0.0}},
    temperatures={PARTS[0]: 0.8, PARTS[1]: 1.7},
    offsets={PARTS[0]: 0.4, PARTS[1]: -0.2},
    thresholds={
        "balanced": {PARTS[0]: 0.5, PARTS[1]: 0.6},
        "sensitive": {PARTS[0]: 0.01, PARTS[1]: 0.02},
        "specificity_0.90": {PARTS[0]: 0.98, PARTS[1]: 0.99},
    },
    map_threshold=0.6,
    map_limit=3.0,
    n_calibration_studies=50,
)


SCORES = ConformalScores((0.1, 0.2, 0.3), (0.6, 0.7))
BOTH: FusionParameters = replace(
    FITTED,
    weights={p: {"coarse": 0.3, "fine": 0.7} for p in PARTS},
    thresholds={
        **FITTED.thresholds,
        "balanced": {PARTS[0]: 0.5, PARTS[1]: 0.5},
        "specific": {PARTS[0]: 0.7, PARTS[1]: 0.7},
    },
    conformal=dict.fromkeys(PARTS, SCORES),
)


def cascade(low: float, high: float, fusion: FusionParameters = BOTH) -> CascadeParameters:
    """Coarse first; exits below `low` and above `high` at 'balanced', else never."""
    points = list(fusion.thresholds)
    stage = CascadeStage(
        experts=("coarse",),
        temperatures={PARTS[0]: 0.9, PARTS[1]: 1.3},
        offsets={PARTS[0]: 0.1, PARTS[1]: -0.3},
        low={o: dict.fromkeys(PARTS, low if o == "balanced" else 0.0) for o in points},
        high={o: dict.fromkeys(PARTS, high if o == "balanced" else 1.0) for o in points},
    )
    check = CascadeCheck(500, 0, 0, 0.005, 1.0)
    own = dict.fromkeys(PARTS, ConformalScores((0.05, 0.9), (0.5,)))
    return CascadeParameters(
        (stage,), {"coarse": 1.0, "fine": 3.0}, 0.01, 0.9, dict.fromkeys(points, check),
        {"balanced": own},
    )  # fmt: skip


def write_images(folder: Path, shapes: Sequence[tuple[int, int]]) -> tuple[ImageRef, ...]:
    """Smooth random images (PNG) of these shapes, each of its own brightness."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(11)
    refs = []
    for i, shape in enumerate(shapes):
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        wave = np.sin(rows / 9 + i) * np.cos(columns / (7 + i)) + rng.normal(0, 0.2, shape)
        path = folder / f"view{i}.png"
        Image.fromarray(((wave - wave.min()) / np.ptp(wave) * 255).astype(np.uint8)).save(path)
        refs.append(ImageRef(path))
    return tuple(refs)


def make_study(folder: Path, part: BodyPart | None = None) -> Study:
    """A study of three images: upright, lying, square."""
    refs = write_images(folder, [(90, 70), (60, 100), (80, 80)])
    return Study("p1", "s1", part, refs, True)


def study_of(folder: Path, *images: np.ndarray) -> Study:
    """Write the arrays as PNG files of their own names; a study of ELBOW with these views."""
    refs = []
    for pixels in images:
        path = folder / f"view{len(list(folder.glob('view*')))}.png"
        Image.fromarray(pixels).save(path)
        refs.append(ImageRef(path))
    return Study(f"p{refs[0].path.stem}", "s", PARTS[0], tuple(refs))
