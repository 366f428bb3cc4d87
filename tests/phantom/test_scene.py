"""Projection: chord lengths in closed form, the geometry of the cone beam, marks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from limbs import camera, limb_of, metal_scene, rays, sphere_chords, views_of

from ulna.phantom.scene import LIMB_TO_DETECTOR, SOURCE_TO_DETECTOR, Scene, project_scene
from ulna.phantom.solids import MU_METAL, MU_SOFT, Bone, cone, ellipsoid, rotation
from ulna.phantom.views import pose
from ulna.types import BodyPart

NEAR = SOURCE_TO_DETECTOR - LIMB_TO_DETECTOR
CONTRAST = MU_METAL - MU_SOFT


@pytest.mark.parametrize("centre", [(0.0, 0.0, 0.0), (12.0, -7.0, 25.0), (-9.0, 4.0, -40.0)])
def test_sphere_is_its_chord(centre: tuple[float, float, float]) -> None:
    view = camera()
    scene = metal_scene([ellipsoid(centre, (15.0, 15.0, 15.0))])
    measured = project_scene(scene, view, step=0.1).bone / CONTRAST
    chords = sphere_chords(view, NEAR, view.rotation @ np.array(centre), 15.0)
    inner = chords > 10
    assert inner.sum() > 300
    np.testing.assert_allclose(measured[inner], chords[inner], rtol=0.01)
    assert np.all(measured[chords == 0] <= 0.75 * 15**0.5)  # the edge is soft over 0.7 mm
    volume = measured.sum() / chords.sum()
    assert volume == pytest.approx(1, abs=0.01)


def test_default_step_is_fine_enough() -> None:
    view = camera()
    scene = metal_scene([ellipsoid((0, 0, 0), (12.0, 12.0, 12.0))])
    coarse = project_scene(scene, view).bone
    fine = project_scene(scene, view, step=0.05).bone
    inner = sphere_chords(view, NEAR, np.zeros(3), 12.0) > 12
    assert np.abs(coarse[inner] / fine[inner] - 1).mean() < 0.02
    assert coarse.sum() == pytest.approx(fine.sum(), rel=0.02)


def test_cylinder_across_the_ray_is_its_chord() -> None:
    view = camera()
    scene = metal_scene([cone((0, -300, 0), (0, 300, 0), (8.0, 8.0))])
    row = project_scene(scene, view, step=0.1).bone[48] / CONTRAST
    _, way = rays(view, NEAR)
    # the cylinder is along y: only x and z count, stretched by the ray's slope along y
    flat = way[48][:, [0, 2]]
    slope = np.linalg.norm(flat, axis=1)
    across = flat / slope[:, None]
    miss = NEAR * across[:, 0]
    chords = 2 * np.sqrt(np.maximum(64 - miss**2, 0)) / slope
    inner = chords > 8
    np.testing.assert_allclose(row[inner], chords[inner], rtol=0.012)


@pytest.mark.parametrize("depth", [-120.0, 0.0, 90.0])
def test_outline_is_magnified_by_distance(depth: float) -> None:
    """A sphere nearer to the source is seen larger: radius x near / distance (small angle)."""
    view = camera(shape=(160, 160), pixel=0.25)
    in_limb = np.linalg.inv(view.rotation) @ np.array([0.0, 0.0, depth])
    scene = metal_scene([ellipsoid(in_limb, (10.0, 10.0, 10.0))])
    # the outline of chords longer than 6 mm: inside the soft edge, sqrt(10^2 - 3^2) from the axis
    seen = project_scene(scene, view, step=0.2).bone > 6 * CONTRAST
    radius = np.sqrt(seen.sum() / np.pi) * view.pixel
    assert radius == pytest.approx(91**0.5 * NEAR / (NEAR + depth), rel=0.01)


def test_a_point_is_seen_where_the_camera_places_it() -> None:
    turn = rotation("z", 0.3) @ camera().rotation @ rotation("y", 0.7)
    view = replace(camera(), rotation=turn, centre=np.array([3.0, -4.0, 5.0]), offset=(2.0, -3.0))
    point = np.array([10.0, 6.0, -20.0])
    bone = project_scene(metal_scene([ellipsoid(point, (5.0, 5.0, 5.0))]), view, step=0.2).bone
    rows, columns = np.mgrid[:96, :96] + 0.5
    centre = (rows * bone).sum() / bone.sum(), (columns * bone).sum() / bone.sum()
    assert centre == pytest.approx(view.place(point), abs=0.1)


def test_crop_is_a_rectangle_of_the_whole() -> None:
    view, rows, columns = camera(), slice(11, 70), slice(30, 85)
    scene = metal_scene([ellipsoid((5, 3, 2), (15.0, 9.0, 12.0))])
    whole = project_scene(scene, view).bone[rows, columns]
    np.testing.assert_allclose(
        project_scene(scene, view.crop(rows, columns)).bone, whole, atol=1e-5
    )


def test_soft_tissue_is_its_chord() -> None:
    view = camera(shape=(128, 128))
    soft = np.array([cone((0, -400, 0), (0, 400, 0), (30.0, 30.0))])
    scene = Scene(bones=metal_scene([ellipsoid((0, 900, 0), (1, 1, 1))]).bones, soft=soft)
    row = project_scene(scene, view).soft[64]
    _, way = rays(view, NEAR)
    flat = way[64][:, [0, 2]]
    slope = np.linalg.norm(flat, axis=1)
    chords = 2 * np.sqrt(np.maximum(900 - (NEAR * flat[:, 0] / slope) ** 2, 0)) / slope
    inner = chords > 25
    np.testing.assert_allclose(row[inner], chords[inner], atol=0.8)
    assert row.sum() == pytest.approx(chords.sum(), rel=0.015)
    assert np.all(row[np.abs(NEAR * flat[:, 0]) > 33] == 0)


def test_a_cut_takes_away() -> None:
    ball = ellipsoid((0, 0, 0), (15.0, 15.0, 15.0))
    hole = ellipsoid((0, 0, 0), (6.0, 6.0, 6.0), smooth=0.05, cut=True)
    view = camera()
    measured = project_scene(metal_scene([ball, hole]), view, step=0.1).bone[48, 48] / CONTRAST
    assert measured == pytest.approx(30 - 12, abs=0.3)


def test_bone_is_denser_at_its_rim_than_in_its_marrow() -> None:
    """A tube's line integral peaks at the inner wall: cortex outside, marrow inside."""
    shaft = Bone("shaft", (cone((0, -200, 0), (0, 200, 0), (12, 12)),), 3.0, (-150, 150))
    scene = Scene(bones=(shaft,), soft=metal_scene([]).soft)
    row = project_scene(scene, camera(pixel=0.4)).bone[48]
    assert row.max() > 1.3 * row[48]
    assert abs(abs(int(row.argmax()) - 47.5) * 0.4 - 9.5) < 2


def test_marked_is_where_the_metal_is() -> None:
    """Marked rays are exactly those that the metal changes; the mask leaves out grazing ones."""
    view = views_of(BodyPart.WRIST, 1)[0]
    normal = pose(limb_of(BodyPart.WRIST), view, 0)
    host = normal.bones[0]
    nail = replace(
        host, name="hardware", primitives=(cone((8, 6, 0), (8, 50, 0), (3, 3)),), metal=True
    )
    scene = replace(normal, bones=(*normal.bones, replace(nail, marked=True)))
    before, after = project_scene(normal, view.camera), project_scene(scene, view.camera)
    np.testing.assert_array_equal(after.marked > 0, after.bone != before.bone)
    mask, changed = after.marked > 0.3, after.bone - before.bone > 0.3 * CONTRAST
    assert mask.sum() > 50
    assert np.all(mask[changed])
    assert changed.sum() / mask.sum() > 0.93
    assert not before.marked.any()


def test_mirroring_swaps_the_sides_of_all_three() -> None:
    seen = project_scene(metal_scene([ellipsoid((9, 3, 2), (5.0, 5.0, 5.0))], True), camera())
    mirrored = seen.mirrored()
    for name in ("bone", "soft", "marked"):
        np.testing.assert_array_equal(getattr(mirrored, name), getattr(seen, name)[:, ::-1])
