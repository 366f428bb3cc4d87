"""Findings of every category and kind, at every strength, on every body part."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from limbs import PARTS, limb_of, views_of

from ulna.phantom.detector import Exposure
from ulna.phantom.findings import DRAW, PlacedFinding
from ulna.phantom.findings.placed import perpendicular, turn_about
from ulna.phantom.scene import project_scene
from ulna.phantom.strength import (
    MODERATE_FROM,
    OBVIOUS_FROM,
    Neighbourhood,
    NormalView,
    solve_strength,
    subtlety_of,
)
from ulna.phantom.views import pose
from ulna.types import BodyPart, FindingCategory, Subtlety

KINDS = {
    FindingCategory.FRACTURE: {
        "hairline",
        "transverse",
        "transverse displaced",
        "oblique",
        "oblique displaced",
        "comminuted displaced",
    },
    FindingCategory.HARDWARE: {"plate", "K-wires", "nail"},
    FindingCategory.LYTIC_LESION: {"lytic"},
    FindingCategory.SCLEROTIC_LESION: {"sclerotic"},
    FindingCategory.DEGENERATIVE: {"osteoarthritis"},
    FindingCategory.DISLOCATION: {"subluxation", "dislocation"},
}


def _one_of_each(part: BodyPart, category: FindingCategory) -> dict[str, PlacedFinding]:
    limb, rng, kinds = limb_of(part), np.random.default_rng(7), {}
    for _ in range(12):
        for subtlety in Subtlety:
            placed = DRAW[category](rng, limb, subtlety)
            kinds.setdefault(placed.kind, placed)
    return kinds


@pytest.mark.parametrize("category", list(FindingCategory))
@pytest.mark.parametrize("part", PARTS)
def test_every_kind_at_every_strength(part: BodyPart, category: FindingCategory) -> None:
    kinds = _one_of_each(part, category)
    assert kinds.keys() == KINDS[category]
    view = views_of(part, 1)[0]
    normal = pose(limb_of(part), view, 0)
    for placed in kinds.values():
        assert placed.category is category
        camera = Neighbourhood(placed, NormalView(normal, view.camera, _EXPOSURE)).camera
        assert camera is not None
        for strength in (0.05, 0.5, 1.0):
            seen = project_scene(placed.apply(normal, strength), camera)
            assert np.isfinite(seen.bone).all()
            assert (seen.marked > 0.3).sum() >= 4, (placed.kind, strength)


_EXPOSURE = Exposure(photons=4000, scatter=0.1, blur=0.5)


@pytest.mark.parametrize("category", [c for c in FindingCategory if c.value != "hardware"])
def test_stronger_is_easier_to_see(category: FindingCategory) -> None:
    view = views_of(BodyPart.ELBOW, 1)[0]
    normal = pose(limb_of(BodyPart.ELBOW), view, 0)
    faint, strong = [], []
    for placed in _one_of_each(BodyPart.ELBOW, category).values():
        place = Neighbourhood(placed, NormalView(normal, view.camera, _EXPOSURE))
        faint.append(place.cnr(0.05))
        strong.append(place.cnr(0.8))
    assert all(a < b for a, b in zip(faint, strong, strict=True)), (faint, strong)


def test_a_lytic_lesion_loses_and_a_sclerotic_one_gains() -> None:
    view = views_of(BodyPart.HUMERUS, 1)[0]
    normal = pose(limb_of(BodyPart.HUMERUS), view, 0)
    before = project_scene(normal, view.camera).bone
    for category, sign in (
        (FindingCategory.LYTIC_LESION, -1),
        (FindingCategory.SCLEROTIC_LESION, 1),
    ):
        placed = DRAW[category](
            np.random.default_rng(2), limb_of(BodyPart.HUMERUS), Subtlety.SUBTLE
        )
        seen = project_scene(placed.apply(normal, 1.0), view.camera)
        change = sign * (seen.bone - before)
        assert change[seen.marked > 0.3].mean() > 0.05
        assert np.all(change > -1e-5)


def test_what_the_finding_does_not_touch_stays() -> None:
    """A lesion changes only the rays that meet it."""
    view = views_of(BodyPart.ELBOW, 1)[0]
    normal = pose(limb_of(BodyPart.ELBOW), view, 0)
    placed = DRAW[FindingCategory.LYTIC_LESION](
        np.random.default_rng(5), limb_of(BodyPart.ELBOW), Subtlety.OBVIOUS
    )
    before, after = (
        project_scene(normal, view.camera),
        project_scene(placed.apply(normal, 1), view.camera),
    )
    changed = np.abs(after.bone - before.bone)
    inside = after.marked > 0
    assert changed[inside].sum() > 0.75 * changed.sum()  # its soft edge reaches beyond the mask
    np.testing.assert_array_equal(after.soft, before.soft)


def test_subtlety_of_a_contrast() -> None:
    assert subtlety_of(MODERATE_FROM - 1e-6) is Subtlety.SUBTLE
    assert subtlety_of(MODERATE_FROM) is Subtlety.MODERATE
    assert subtlety_of(OBVIOUS_FROM) is Subtlety.OBVIOUS


def test_a_strength_reported_to_reach_its_subtlety_does() -> None:
    hits = defaultdict(list)
    for seed in range(12):
        part = PARTS[seed % 3]
        limb, rng = limb_of(part, seed), np.random.default_rng(seed)
        views = [NormalView(pose(limb, v, 0), v.camera, _EXPOSURE) for v in views_of(part, 1)]
        for wanted in (Subtlety.SUBTLE, Subtlety.MODERATE):
            placed = DRAW[FindingCategory.FRACTURE](rng, limb, wanted)
            strength, seen, reached = solve_strength(placed, views, wanted, rng)
            assert 0 < strength <= 1
            assert seen == [Neighbourhood(placed, v).cnr(strength) for v in views]
            assert subtlety_of(max(seen)) is wanted or not reached
            hits[wanted].append(reached)
    # Some findings cannot get there (outside the field, too weak), and another is drawn.
    assert all(sum(h) >= 4 for h in hits.values()), hits


def test_turns_are_rotations() -> None:
    rng = np.random.default_rng(0)
    axis = np.array([0.0, 0.6, 0.8])
    across = perpendicular(rng, axis)
    assert across @ axis == pytest.approx(0, abs=1e-12)
    turn = turn_about(axis, 0.7)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(turn @ axis, axis, atol=1e-12)
    assert (turn @ across) @ across == pytest.approx(np.cos(0.7))
