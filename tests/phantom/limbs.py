"""Limbs, views and simple scenes that the phantom tests share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ulna.phantom.anatomy import BUILDERS, Limb, Variation
from ulna.phantom.scene import Camera, Scene
from ulna.phantom.solids import Bone, Vector, cone
from ulna.phantom.views import View, draw_views
from ulna.types import BodyPart

PARTS = tuple(BUILDERS)
# Columns to the right, rows down, depth away from the source: a plain frontal view.
UPRIGHT = np.diag([1.0, -1.0, -1.0])


def limb_of(part: BodyPart, seed: int = 0) -> Limb:
    """Build the limb of the patient with this seed."""
    return BUILDERS[part](Variation(np.random.default_rng(seed)))


def views_of(part: BodyPart, count: int, size: int = 96) -> tuple[View, ...]:
    """Return the views of the first study that has `count` of them."""
    for seed in range(100):
        views = draw_views(part, size, np.random.default_rng(seed))
        if len(views) == count:
            return views
    raise AssertionError(f"no study of {part} with {count} views")


def camera(shape: tuple[int, int] = (96, 96), pixel: float = 0.8) -> Camera:
    """Return the camera of a frontal view of the origin."""
    return Camera(UPRIGHT, np.zeros(3), shape, pixel)


def metal_scene(primitives: Sequence[Vector], marked: bool = False) -> Scene:
    """Return a homogeneous solid (metal has no cortex) and soft tissue outside the field."""
    far = cone((0, 5000, 0), (0, 5010, 0), (1.0, 1.0))
    solid = Bone("solid", tuple(primitives), metal=True, marked=marked)
    return Scene(bones=(solid,), soft=np.array([far]))


def rays(view: Camera, source_to_limb: float) -> tuple[Vector, Vector]:
    """Return origin (3,) and unit directions (H, W, 3) of the rays, in the view frame.

    Written from the definition of the camera: the pixel pitch holds in the plane of the limb's
    centre, `source_to_limb` mm from the source.
    """
    height, width = view.shape
    x = (np.arange(width) + 0.5 - width / 2) * view.pixel + view.offset[0]
    y = (np.arange(height) + 0.5 - height / 2) * view.pixel + view.offset[1]
    grid = np.stack(np.broadcast_arrays(x[None, :], y[:, None], source_to_limb), axis=-1)
    return np.array([0.0, 0.0, -source_to_limb]), grid / np.linalg.norm(grid, axis=-1)[..., None]


def sphere_chords(view: Camera, source_to_limb: float, centre: Vector, radius: float) -> Vector:
    """Return (H, W) mm of each ray inside a sphere (centre in the view frame), in closed form."""
    origin, directions = rays(view, source_to_limb)
    along = directions @ (centre - origin)
    miss2 = ((centre - origin) ** 2).sum() - along**2
    chords: Vector = 2 * np.sqrt(np.maximum(radius**2 - miss2, 0))
    return chords
