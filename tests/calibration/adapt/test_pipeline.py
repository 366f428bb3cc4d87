"""A bundle adapted to a hospital answers as fitted, and refuses what it cannot do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.cli.calls import ulna
from tests.export.tiny_run import lively_expert, tiny_recipe
from tests.runtime.analytic_bundle import BOTH, PARTS, write_analytic, write_images
from torch.nn.functional import interpolate

from ulna.bundle import ModelBundle, read_bundle
from ulna.calibration.adapt.fit import HeadPlan, changed_logit
from ulna.calibration.adapt.graph import probing_graph, with_head_moved
from ulna.calibration.adapt.pipeline import adapt_bundle
from ulna.config.engine import EngineSettings
from ulna.config.recipe import ExpertConfig
from ulna.errors import BundleError, ConfigError, DatasetWarning
from ulna.export.graph import expert_graph
from ulna.export.half import in_half
from ulna.models.expert import Expert
from ulna.models.scale import scaled_side
from ulna.models.test_time_augmentation import with_test_time_augmentation
from ulna.runtime import Predictor
from ulna.runtime.session import Session
from ulna.types import ImageRef, Study

ONE = EngineSettings(threads=1)


@pytest.fixture
def bundle(tmp_path: Path) -> ModelBundle:
    return write_analytic(tmp_path / "bundle", fusion=BOTH)


@pytest.fixture
def studies(tmp_path: Path) -> list[Study]:
    """Eighteen of one part, of two views each; every other one is abnormal."""
    refs: tuple[ImageRef, ...] = write_images(
        tmp_path / "images", [(60 + i, 50) for i in range(36)]
    )
    pairs = [refs[2 * k : 2 * k + 2] for k in range(18)]
    return [Study(f"p{k}", f"s{k}", PARTS[0], pair, k % 2 == 1) for k, pair in enumerate(pairs)]


@pytest.mark.parametrize("heads", [None, HeadPlan(2.0)])
def test_the_written_bundle_answers_as_was_fitted(
    bundle: ModelBundle, studies: list[Study], tmp_path: Path, heads: HeadPlan | None
) -> None:
    with pytest.warns(DatasetWarning, match=f"no study of {PARTS[1]}"):
        result = adapt_bundle(bundle.path, studies, tmp_path / "ours", heads)
    assert read_bundle(bundle.path) == bundle
    again = read_bundle(tmp_path / "ours")
    assert again.hash == result.bundle.hash and again.calibrated
    logit = changed_logit(result.images, result.changes) if heads else result.images.logit
    wanted = result.images.probability(result.shift.of(logit))
    predictor, before = Predictor(again), Predictor(bundle)
    for k, study in enumerate(studies):
        answer, old = predictor.predict(study), before.predict(study)
        assert answer.probability == pytest.approx(wanted[k], abs=1e-5)
        assert old.probability == pytest.approx(result.before[k], abs=1e-6)
        for image in answer.images:
            assert image.grid.mean() + image.bias == pytest.approx(image.logit, abs=1e-4)
    assert bool(result.changes) == (heads is not None)
    if heads is None:
        assert [e.sha256 for e in again.manifest.experts] == [
            e.sha256 for e in bundle.manifest.experts
        ]


def test_every_body_part_moves_alike(
    bundle: ModelBundle, studies: list[Study], tmp_path: Path
) -> None:
    with pytest.warns(DatasetWarning):
        result = adapt_bundle(bundle.path, studies, tmp_path / "ours", HeadPlan())
    old, new = Predictor(bundle).outputs(studies[0]), Predictor(result.bundle).outputs(studies[0])
    for name in ("coarse", "fine"):
        moved = new.images[0].experts[name].abnormal - old.images[0].experts[name].abnormal
        assert moved[0] == pytest.approx(moved[1], abs=1e-5) and abs(moved[0]) > 1e-6
    fusion, before = result.bundle.manifest.fusion, bundle.manifest.fusion
    for part in PARTS:
        assert fusion.temperatures[part] == pytest.approx(
            before.temperatures[part] * result.shift.scale
        )
    assert fusion.n_calibration_studies == 18 and result.bundle.manifest.cascade is None


def test_what_cannot_be_adapted_is_an_error(
    bundle: ModelBundle, studies: list[Study], tmp_path: Path, blob_bundle: ModelBundle
) -> None:
    out = tmp_path / "ours"
    with pytest.raises(ConfigError, match="3 normal and 3 abnormal.*at least 4 of each"):
        adapt_bundle(bundle.path, studies[:6], out)
    with pytest.raises(BundleError, match="is the bundle itself"):
        adapt_bundle(bundle.path, studies, bundle.path)
    with pytest.raises(BundleError, match="recalibration without moved heads"):
        probing_graph(blob_bundle.graph_path(blob_bundle.manifest.experts[0]))
    nameless = [Study(s.patient_id, "s", None, s.images, s.abnormal) for s in studies]
    with pytest.warns(DatasetWarning), pytest.raises(ConfigError, match="none of 0 studies"):
        adapt_bundle(bundle.path, nameless, out)
    assert not out.exists()


def test_labels_with_another_meaning_are_warned_of(
    bundle: ModelBundle, studies: list[Study], tmp_path: Path
) -> None:
    other = [replace(s, label_means="fracture") for s in studies]
    with (
        pytest.warns(DatasetWarning, match="no study of"),
        pytest.warns(DatasetWarning, match="adaptation: .*18 of 18 studies means fracture"),
    ):
        adapt_bundle(bundle.path, other, tmp_path / "ours")


def test_on_the_command_line(bundle: ModelBundle, studies: list[Study], tmp_path: Path) -> None:
    rows = [
        f"{i.path},{s.patient_id},{s.study_id},{s.body_part},{int(bool(s.abnormal))}"
        for s in studies
        for i in s.images
    ]
    head = "path,patient_id,study_id,body_part,abnormal"
    (tmp_path / "ours.csv").write_text("\n".join([head, *rows]) + "\n")
    out = tmp_path / "ours"
    message = ulna("adapt", bundle.path, tmp_path / "ours.csv", "--out", out, "--heads").output
    assert "18 studies, 9 abnormal" in message and "optimistic" in message
    assert read_bundle(out).hash[:12] in message
    given = ("adapt", bundle.path, tmp_path / "ours.csv", "--out", out, "--freedom", 2)
    assert "give --heads too" in ulna(*given, code=2).output


def _attended(
    expert: Any, images: torch.Tensor, mirror: bool, scales: tuple[float, ...]
) -> np.ndarray:
    """The inputs (B, C) of the head in the network itself, averaged over the views."""
    bare = expert if isinstance(expert, Expert) else expert.expert
    sizes = [(scaled_side(64, s),) * 2 for s in scales]
    seen = [interpolate(images, size, mode="bilinear", align_corners=False) for size in sizes]
    seen += [view.flip(-1) for view in seen] if mirror else []
    return torch.stack([bare.pool(view).attended_BC for view in seen]).mean(0).numpy()


@pytest.mark.parametrize(
    ("half", "mirror", "scales"),
    [
        (False, False, (1.0,)),
        (True, False, (1.0,)),
        (False, True, (1.0, 0.5, 1.5)),
        (True, False, (1.0, 2.0)),
        (False, False, (1.5,)),
    ],
)
def test_a_moved_head_moves_map_and_logit_alike(
    tmp_path: Path, half: bool, mirror: bool, scales: tuple[float, ...]
) -> None:
    """With an attention and its evidence, in single and half precision, over one view and more.

    Report: a graph that answers over several scales could not be adapted but by its calibration.
    """
    config = ExpertConfig(
        "cnn", "cnn", neck="attention", fit_heads=True, test_mirror=mirror, test_scales=scales
    )
    recipe = tiny_recipe([config])
    torch.set_num_threads(1)
    expert = lively_expert(config, recipe)
    requested = with_test_time_augmentation(expert, config, recipe.input_spec.size)
    twin: Any = expert
    graph = expert_graph(requested, recipe.input_spec)
    if half:
        graph, twin = in_half(expert, graph)
    file = tmp_path / "cnn.onnx"
    file.write_bytes(graph)
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (3, 1, 64, 64)).astype(np.float32)
    before = Session(probing_graph(file), ONE).run(images)
    with torch.inference_mode():
        attended = _attended(twin, torch.from_numpy(images), mirror, scales)
    np.testing.assert_allclose([b.attended for b in before], attended, atol=1e-3)
    weight, bias = rng.normal(0, 1, (3, attended.shape[1])), rng.normal(0, 1, 3)
    moved = tmp_path / "moved.onnx"
    moved.write_bytes(with_head_moved(file, weight, bias))
    for old, new in zip(before, Session(moved, ONE).run(images), strict=True):
        wanted = old.attended @ weight.T + bias
        np.testing.assert_allclose(new.abnormal - old.abnormal, wanted, atol=2e-3)
        above = (new.cam - old.cam).mean(axis=(1, 2))
        np.testing.assert_allclose(above, wanted - bias, atol=2e-3)
        np.testing.assert_array_equal(new.body_part, old.body_part)
        np.testing.assert_array_equal(new.features, old.features)
    back = tmp_path / "back.onnx"
    back.write_bytes(with_head_moved(moved, -weight, -bias))
    for old, new in zip(before, Session(back, ONE).run(images), strict=True):
        np.testing.assert_allclose(new.abnormal, old.abnormal, atol=2e-3)
