"""The whole arm: hinges move what lies beyond them; body parts have different aims."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from ulna.phantom.anatomy import ARM_BUILDERS, BUILDERS, Limb, Variation, build_limb
from ulna.phantom.anatomy.fingers import LENGTHS, finger_group
from ulna.phantom.anatomy.trunk import TRUNK
from ulna.phantom.arm_views import ARM_VIEWS, draw_arm_views
from ulna.phantom.findings import DRAW
from ulna.phantom.findings.injury import draw_injury
from ulna.phantom.scene import Scene, project_scene
from ulna.phantom.solids import Bone, cone, mirrored, rotation
from ulna.phantom.views import placements, pose
from ulna.types import BodyPart, FindingCategory, Subtlety

ARMS = tuple(ARM_BUILDERS)


def arm_of(part: BodyPart, seed: int = 0) -> Limb:
    return ARM_BUILDERS[part](Variation(np.random.default_rng(seed)))


def test_every_body_part_has_an_arm() -> None:
    assert set(ARMS) == set(ARM_VIEWS) == set(BodyPart)
    for part in BodyPart:
        v = Variation(np.random.default_rng(1))
        assert bool(build_limb(part, "collimated", v).hinges) is (part not in BUILDERS)


@pytest.mark.parametrize("part", ARMS)
def test_an_arm_has_all_bones_that_it_names(part: BodyPart) -> None:
    """Sites, joints, lesions and plates name bones; every bone and sleeve moves with a hinge."""
    limb = arm_of(part)
    names = [b.name for b in limb.bones]
    assert len(set(names)) == len(names)
    named = {s.bone for s in limb.sites} | {n for s in limb.sites for n in s.follow}
    named |= {limb.joint.base, *limb.joint.moving, *(m[0] for m in limb.joint.margins)}
    named |= {s[0] for s in (*limb.lesion_sites, *limb.plate_sites, *limb.joint.surfaces)}
    assert named <= set(names)
    groups = {0, *(h.group for h in limb.hinges)}
    assert {b.group for b in limb.bones} <= groups and set(limb.soft) <= groups
    assert limb.anchor[0] in groups
    assert all(s.bone not in s.follow and s.kinds for s in limb.sites)


def test_body_parts_are_aimed_at_different_places() -> None:
    """Pairwise 35 mm apart, so the field alone tells a finger from a hand, a hand from a wrist."""
    for seed in range(3):
        aims = {part: arm_of(part, seed).anchor[1] for part in ARMS}
        for a, b in combinations(ARMS, 2):
            assert np.linalg.norm(aims[a] - aims[b]) > 35, (a, b)


@pytest.mark.parametrize("framing", ["collimated", "plate"])
@pytest.mark.parametrize("part", ARMS)
def test_the_image_shows_what_it_is_aimed_at(part: BodyPart, framing: str) -> None:
    for seed in range(4):
        limb, rng = arm_of(part, seed), np.random.default_rng(seed)
        for panels in draw_arm_views(limb, part, framing, 224, rng):  # type: ignore[arg-type]
            for view in panels:
                turn, shift = placements(limb.hinges, view.turns)[limb.anchor[0]]
                place = view.camera.place(turn @ limb.anchor[1] + shift)
                share = np.divide(place, view.camera.shape)
                assert (share > 0.03).all() and (share < 0.97).all()
                assert max(view.camera.shape) <= 224


def test_a_cassette_is_about_a_millimetre_a_pixel() -> None:
    """430 mm over 448 px at the detector; the limb is 1100 / 1040 as large there."""
    limb = arm_of(BodyPart.FOREARM)
    pitches = []
    for seed in range(30):
        images = draw_arm_views(limb, BodyPart.FOREARM, "plate", 448, np.random.default_rng(seed))
        camera = images[0][0].camera
        pitches.append(camera.pixel * camera.scale * 1100 / 1040)
    values = {round(p, 3) for p in pitches}
    assert values <= {round(430 / 448, 3), round(300 / 448, 3)}
    assert np.median(pitches) == pytest.approx(0.96, abs=0.01)


def test_a_hinge_moves_all_beyond_it() -> None:
    limb = arm_of(BodyPart.HAND)
    still = placements(limb.hinges, {})
    assert all(np.allclose(t, np.eye(3)) and np.allclose(s, 0) for t, s in still.values())
    group = finger_group(2, 0)
    moved = placements(limb.hinges, {group: rotation("x", 0.5)})
    pivot = next(h.pivot for h in limb.hinges if h.group == group)
    beyond = {finger_group(2, k) for k in range(len(LENGTHS[2]))}
    for g, (turn, shift) in moved.items():
        assert np.allclose(turn, rotation("x", 0.5) if g in beyond else np.eye(3))
        if g in beyond:
            np.testing.assert_allclose(turn @ pivot + shift, pivot, atol=1e-9)


def test_poses_turn_and_shift_and_never_stretch() -> None:
    limb = arm_of(BodyPart.ELBOW)
    panels = draw_arm_views(limb, BodyPart.ELBOW, "plate", 224, np.random.default_rng(0))[0]
    scene = pose(limb, panels[0], 0)
    assert scene.trunk and len(scene.soft) == sum(len(r) for r in limb.soft.values())
    for posed, neutral in zip(scene.bones, limb.bones, strict=True):
        assert posed.primitives is neutral.primitives
        np.testing.assert_allclose(posed.rotation @ posed.rotation.T, np.eye(3), atol=1e-9)


def test_mirrored_is_the_picture_flipped() -> None:
    from limbs import camera

    row = cone((4, -9, 2), (17, 14, -3), (6, 9), (1, 0.7))
    far = cone((0, 5000, 0), (0, 5010, 0), (1.0, 1.0))
    pictures = [
        project_scene(
            Scene(bones=(Bone("solid", (r,), metal=True),), soft=np.array([far])), camera(), 0.2
        ).bone
        for r in (row, mirrored(row))
    ]
    np.testing.assert_allclose(pictures[0], pictures[1][:, ::-1], atol=1e-5)


@pytest.mark.parametrize("part", ARMS)
def test_an_injury_breaks_the_outline_however_weak(part: BodyPart) -> None:
    """All but hairlines turn or shift the fragment; what follows it is distal or nothing."""
    limb, rng = arm_of(part), np.random.default_rng(3)
    for site in limb.sites:
        for level in Subtlety:
            drawn = draw_injury(rng, site, level)
            assert drawn.kind in {*site.kinds, "hairline"}
            turn, shift, gap = drawn.motion(0.01)
            assert gap >= 0
            if drawn.kind == "hairline":
                assert level is not Subtlety.OBVIOUS
                assert np.allclose(turn, np.eye(3)) and np.allclose(shift, 0)
            else:
                angle = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
                assert angle > 0.2 or np.linalg.norm(shift) > 0.1


@pytest.mark.parametrize("part", ARMS)
def test_every_category_fits_every_arm(part: BodyPart) -> None:
    """Findings apply in any pose and mark something in the bone's own place."""
    limb, rng = arm_of(part), np.random.default_rng(5)
    panels = draw_arm_views(limb, part, "collimated", 96, rng)[0]
    normal = pose(limb, panels[0], 0)
    for category in FindingCategory:
        placed = DRAW[category](rng, limb, Subtlety.OBVIOUS)
        scene = placed.apply(normal, 0.8)
        changed = scene.fractures or scene.lesions or scene.ball[3] or len(scene.bones) > 60
        assert changed or category is FindingCategory.HARDWARE
        assert all(np.isfinite(b.translation).all() for b in scene.bones)


def test_the_trunk_stays_when_the_arm_is_dislocated() -> None:
    limb = arm_of(BodyPart.SHOULDER)
    panels = draw_arm_views(limb, BodyPart.SHOULDER, "collimated", 96, np.random.default_rng(2))[0]
    normal = pose(limb, panels[0], 0)
    placed = DRAW[FindingCategory.DISLOCATION](np.random.default_rng(2), limb, Subtlety.OBVIOUS)
    moved = placed.apply(normal, 1.0)
    for before, after in zip(normal.bones, moved.bones, strict=True):
        same = np.array_equal(before.translation, after.translation)
        assert same is (before.group == TRUNK), before.name
