"""Fusion, temperature and offset from simulated experts, where the truth is known."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special

from ulna.bundle import FusionParameters, Manifest
from ulna.bundle.join import unite_recipes
from ulna.calibration import fit_fusion
from ulna.calibration.finding_fit import fit_findings
from ulna.config.distillation import Distillation
from ulna.config.recipe import Fusion
from ulna.errors import ConfigError, DatasetWarning
from ulna.types import BodyPart, FindingCategory, ImageRef, Study

PARTS = (BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST)


def outputs(
    n: int, noise: tuple[float, float], sharp: float = 1.0, seed: int = 0, focus: bool = False
) -> list:
    """n studies per part; expert e sees the true log odds with noise[e], times `sharp`.

    focus: the maps have a peak in one cell, as those of an attention.
    """
    rng = np.random.default_rng(seed)
    result = []
    for k in range(n * 3):
        part = PARTS[k % 3]
        z = rng.normal(0, 2.5)
        study = Study(
            f"p{k}", "s", part, (ImageRef(Path("a.png")),), bool(rng.random() < special.expit(z))
        )
        experts = {}
        for name, spread in zip(("cnn", "tiny"), noise, strict=True):
            logit = sharp * (z + rng.normal(0, spread))
            cam = rng.normal(0, 1, (3, 7, 7))
            if focus:
                cam[:, 2, 3] += rng.uniform(20, 60)
            cam += logit + 1 - cam.mean(axis=(1, 2), keepdims=True)
            experts[name] = SimpleNamespace(abnormal=np.full(3, logit), cam=cam)
        result.append(SimpleNamespace(study=study, images=(SimpleNamespace(experts=experts),)))
    return result


def fit(manifest: Manifest, data: list, **fusion: object) -> FusionParameters:
    recipe = replace(manifest.recipe, fusion=Fusion(**fusion))
    return fit_fusion(data, recipe, manifest)


def test_result_is_valid_for_the_manifest_and_deterministic(manifest: Manifest) -> None:
    data = outputs(40, (0.5, 0.5))
    result = fit(manifest, data)
    assert replace(manifest, fusion=result).fusion == fit(manifest, data)
    assert result.calibrated and result.n_calibration_studies == 120
    assert 0 < result.map_threshold < result.map_limit


def test_the_better_expert_gets_more_weight(manifest: Manifest) -> None:
    result = fit(manifest, outputs(150, (0.3, 6.0)))
    assert all(result.weights[p]["cnn"] > 0.75 for p in PARTS)


def test_a_useless_expert_gets_none(manifest: Manifest) -> None:
    result = fit(manifest, outputs(300, (0.1, 40.0)))
    assert all(result.weights[p] == {"cnn": 1, "tiny": 0} for p in PARTS)


def weights(manifest: Manifest, n: int, noise: tuple[float, float]) -> np.ndarray:
    """Weights of the first expert, (8 seeds, 3 body parts)."""
    fits = [fit(manifest, outputs(n, noise, seed=seed)) for seed in range(8)]
    return np.array([[f.weights[p]["cnn"] for p in PARTS] for f in fits])


def test_equal_experts_stay_near_equal(manifest: Manifest) -> None:
    result = weights(manifest, 50, (1.0, 1.0))
    assert abs(result.mean() - 0.5) < 0.1
    assert np.abs(result - 0.5).mean() < 0.2
    assert np.abs(weights(manifest, 200, (1.0, 1.0)) - 0.5).mean() < 0.12


def test_few_studies_move_the_weights_less(manifest: Manifest) -> None:
    few, many = (weights(manifest, n, (0.6, 1.5)).mean() for n in (50, 300))
    assert 0.5 < few < many


@pytest.mark.parametrize("sharp", [0.4, 1.0, 3.0])
def test_temperature_undoes_sharpness(manifest: Manifest, sharp: float) -> None:
    result = fit(manifest, outputs(250, (0.1, 0.1), sharp))
    for part in PARTS:
        assert result.temperatures[part] == pytest.approx(sharp, rel=0.25)
        assert abs(result.offsets[part] / sharp) < 0.4


def test_separable_studies_keep_a_finite_temperature(manifest: Manifest) -> None:
    data = outputs(60, (0.0, 0.0))
    for o in data:
        z = float(o.images[0].experts["cnn"].abnormal[0])
        object.__setattr__(o.study, "abnormal", z > 0)
    result = fit(manifest, data)
    assert all(0.02 < t < 1 for t in result.temperatures.values())


def test_mean_and_layout_keep_their_weights(manifest: Manifest) -> None:
    data = outputs(30, (0.3, 6.0))
    assert fit(manifest, data, kind="mean").weights[PARTS[0]] == {"cnn": 0.5, "tiny": 0.5}
    layout = fit(manifest, data, kind="layout", layout={PARTS[0]: "tiny"})
    assert layout.weights[PARTS[0]] == {"cnn": 0, "tiny": 1}
    assert layout.weights[PARTS[1]] == {"cnn": 0.5, "tiny": 0.5}


def test_a_part_without_enough_studies_takes_the_pooled_fit_with_a_warning(
    manifest: Manifest,
) -> None:
    data = [o for k, o in enumerate(outputs(40, (0.5, 0.5))) if k % 3 < 2 or k < 12]
    with pytest.warns(DatasetWarning, match="WRIST"):
        result = fit(manifest, data)
    assert result.n_calibration_studies == 84
    assert result.temperatures[BodyPart.WRIST] > 0


def test_too_few_studies_are_refused(manifest: Manifest) -> None:
    with pytest.raises(ConfigError, match="calibration studies"):
        fit(manifest, outputs(2, (0.5, 0.5)))


def _normal_grids(data: list, result: FusionParameters) -> list[np.ndarray]:
    """The normal studies' maps, with equal weights of the experts."""
    grids = []
    for o in data:
        if not o.study.abnormal:
            column = PARTS.index(o.study.body_part)
            cams = [e.cam[column] for e in o.images[0].experts.values()]
            grids.append(np.mean(cams, axis=0) / result.temperatures[o.study.body_part])
    return grids


@pytest.mark.parametrize("focus", [False, True])
def test_map_threshold_leaves_one_normal_cell_in_a_hundred_and_its_peak_one_image_in_ten(
    manifest: Manifest, focus: bool
) -> None:
    data = outputs(60, (0.5, 0.5), focus=focus)
    result = fit(manifest, data, kind="mean")
    grids = _normal_grids(data, result)
    assert np.mean(np.array(grids) > result.map_threshold) == pytest.approx(0.01, abs=0.003)
    high = np.mean([g.max() > result.map_peak for g in grids])
    if focus:  # a peak in every image: above one cell in a hundred in half of them
        assert np.mean([g.max() > result.map_threshold for g in grids]) > 0.4
        assert high == pytest.approx(0.1, abs=0.02)
    else:  # maps that are high nearly everywhere: the threshold alone is stricter
        assert high <= 0.1 and result.map_peak == result.map_threshold


def test_findings_are_fitted_with_the_fusions_weights(manifest: Manifest) -> None:
    """The fits of `ulna calibrate` and of every fold of `ulna crossval`."""
    kind = FindingCategory.HARDWARE
    data = outputs(60, (0.4, 3.0))
    rng = np.random.default_rng(0)
    for o in data:
        shown = bool(rng.random() < 0.3)
        named = frozenset({kind} if shown else ())
        object.__setattr__(o.study, "categories", named)
        for name, experts in o.images[0].experts.items():
            # the second expert knows nothing
            experts.finding = np.array([3.0 * shown - 1 if name == "cnn" else rng.normal(0, 9)])
    result = fit(replace(manifest, categories=(kind,)), data)
    assert result.findings is not None and set(result.findings) == {kind}
    assert result.findings == fit_findings(
        data, result.weights, replace(manifest, categories=(kind,))
    )
    assert set(result.findings[kind].thresholds) == set(result.thresholds)
    assert fit(manifest, data).findings == {}


def test_a_taught_calibration_moves_no_logit_but_sets_thresholds(manifest: Manifest) -> None:
    """A student's target was its teacher's calibrated logit."""
    data = outputs(60, (0.5, 0.5), sharp=3.0)
    with pytest.raises(ConfigError, match="distillation.logits above 0"):
        fit(manifest, data, calibration="taught")
    recipe = replace(manifest.recipe, distillation=Distillation(logits=1.0))
    student = replace(recipe, fusion=Fusion(calibration="taught"))
    fitted, taught = fit_fusion(data, recipe, manifest), fit_fusion(data, student, manifest)
    both = unite_recipes([student, replace(student, seed=1)])
    assert both.fusion.calibration == "fitted"
    assert min(fitted.temperatures.values()) > 1.5
    for part in PARTS:
        assert (taught.temperatures[part], taught.offsets[part]) == (1.0, 0.0)
        assert (fitted.temperatures[part], fitted.offsets[part]) != (1.0, 0.0)
    assert taught.calibrated and taught.thresholds != fitted.thresholds
