"""A posed limb with its findings, the camera that views it, and its projection."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage

from ulna.phantom.kernel import project, project_soft
from ulna.phantom.shadow import shadows
from ulna.phantom.solids import BONE_COLUMNS, MU_SOFT, Bone, Vector, pack
from ulna.types import Array

# Columns of a fracture: point 0:3, normal 3:6 (towards the fragment that stays), gap 6, roughness
# 7, its frequency 8, inverse rotation of the moved fragment 9:18, its shift 18:21, rim 21 (mm on
# either side of the gap that belong to the finding).
FRACTURE_COLUMNS = 22
# Columns of a lesion: centre 0:3, semi-axes 3:6, share of bone lost 6, attenuation added 7,
# softness of its edge 8.
LESION_COLUMNS = 9
SOURCE_TO_DETECTOR = 1100.0
LIMB_TO_DETECTOR = 60.0
MAGNIFICATION = SOURCE_TO_DETECTOR / (SOURCE_TO_DETECTOR - LIMB_TO_DETECTOR)
# From the limb frame to a frontal view: columns right, rows down, depth away from the source.
UPRIGHT = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Scene:
    """Bones, soft tissue and findings of one limb in one pose.

    soft: (NS, 22) primitives of the soft tissue. ball: centre and radius of a sphere in which all
    bone belongs to a finding (dislocation); radius 0 for none. noise: seed of the spongiosa's
    texture. trunk: whether the trunk is part of the limb, so that rays are followed further.
    """

    bones: tuple[Bone, ...]
    soft: Vector
    fractures: tuple[Vector, ...] = ()
    lesions: tuple[Vector, ...] = ()
    ball: Vector = field(default_factory=lambda: np.zeros(4))
    noise: int = 0
    trunk: bool = False

    def index(self, name: str) -> int:
        """Return the index of the bone called `name`."""
        return [b.name for b in self.bones].index(name)

    def with_bone(self, index: int, bone: Bone) -> Scene:
        """Return a copy in which `bone` replaces the one at `index`."""
        bones = list(self.bones)
        bones[index] = bone
        return replace(self, bones=tuple(bones))


@dataclass(frozen=True)
class Camera:
    """Camera of a view.

    rotation: (3, 3) from limb to view. centre: of the limb, in its frame. shape: field in px.
    pixel: mm at the limb. offset: (x, y) of the field's centre from the limb's centre in mm.
    scale: size of the patient relative to the neutral limb, whose mm are used for all lengths.
    """

    rotation: Vector
    centre: Vector
    shape: tuple[int, int]
    pixel: float
    offset: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0

    @property
    def source(self) -> Vector:
        """(3,) focal spot in the limb frame in mm."""
        away: Vector = self.rotation[2] * (SOURCE_TO_DETECTOR - LIMB_TO_DETECTOR)
        return np.subtract(self.centre, away)

    def crop(self, rows: slice, columns: slice) -> Camera:
        """Return the camera of a rectangle of this field."""
        height, width = self.shape
        dx = ((columns.start + columns.stop) / 2 - width / 2) * self.pixel
        dy = ((rows.start + rows.stop) / 2 - height / 2) * self.pixel
        return replace(
            self,
            shape=(rows.stop - rows.start, columns.stop - columns.start),
            offset=(self.offset[0] + dx, self.offset[1] + dy),
        )

    def place(self, point: Vector) -> tuple[float, float]:
        """Return (row, column) of the projection of a point in the limb frame."""
        x, y, z = self.rotation @ (point - self.centre)
        near = SOURCE_TO_DETECTOR - LIMB_TO_DETECTOR
        zoom = near / (near + z)
        row = (y * zoom - self.offset[1]) / self.pixel + self.shape[0] / 2
        column = (x * zoom - self.offset[0]) / self.pixel + self.shape[1] / 2
        return float(row), float(column)


@dataclass(frozen=True)
class Projection:
    """Projection of a scene, three (H, W) arrays.

    bone: line integral of the attenuation above soft tissue. soft: mm of soft tissue. marked: mm
    inside a finding.
    """

    bone: Array
    soft: Array
    marked: Array

    def mirrored(self) -> Projection:
        """Return the projection of the other side of the body."""
        fields = (self.bone, self.soft, self.marked)
        return Projection(*(np.ascontiguousarray(a[:, ::-1]) for a in fields))


@functools.lru_cache(maxsize=4)
def noise_volume(seed: int, side: int = 64) -> Vector:
    """Return a periodic, band-limited noise cube of unit variance; `side` is a power of two."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, 7)))
    white = rng.standard_normal((side, side, side))
    smooth = ndimage.gaussian_filter(white, 1.0, mode="wrap")
    return np.ascontiguousarray(smooth / smooth.std())


def project_scene(scene: Scene, camera: Camera, step: float = 0.0) -> Projection:
    """Return the line integrals of `scene` seen by `camera`.

    step: mm between samples in bone, or 0 for a step that suits the camera's pixels.
    """
    step = step or float(np.clip(0.8 * camera.pixel, 0.6, 1.2))
    offset = (camera.offset[0] * MAGNIFICATION, camera.offset[1] * MAGNIFICATION)
    beam = np.array([*offset, camera.pixel * MAGNIFICATION, SOURCE_TO_DETECTOR])
    primitives, bones = pack(scene.bones, camera.rotation, camera.source, scene.ball)
    bone, marked = (np.zeros(camera.shape) for _ in range(2))
    project(
        primitives,
        bones,
        _rows(scene.fractures, FRACTURE_COLUMNS),
        _rows(scene.lesions, LESION_COLUMNS),
        noise_volume(scene.noise),
        beam,
        MU_SOFT,
        step,
        shadows(scene.bones, scene.fractures, bones, beam, camera.shape),
        bone,
        marked,
    )
    soft = _project_soft(scene, camera, beam)
    paths = [a.astype(np.float32) for a in (bone, soft, marked)]
    if camera.scale != 1:
        paths = [a * np.float32(camera.scale) for a in paths]
    return Projection(*paths)


def _project_soft(scene: Scene, camera: Camera, beam: Vector) -> Vector:
    """Return (H, W) mm of soft tissue from every second pixel, since it has no fine detail."""
    height, width = camera.shape
    half = np.zeros(((height + 1) // 2, (width + 1) // 2))
    coarse = beam.copy()
    coarse[2] *= 2
    # The coarse field is up to one pixel larger, so its upper left corner is aligned.
    coarse[0] += (half.shape[1] * 2 - width) * beam[2] / 2
    coarse[1] += (half.shape[0] * 2 - height) * beam[2] / 2
    near = SOURCE_TO_DETECTOR - LIMB_TO_DETECTOR
    view = np.zeros((1, BONE_COLUMNS))
    view[0, 12:21], view[0, 21:24] = camera.rotation.T.ravel(), camera.source
    reach, limit = (420.0, 240) if scene.trunk else (170.0, 80)
    project_soft(scene.soft, view, coarse, near - reach, near + reach, limit, half)
    rows = (np.arange(height) - 0.5) / 2
    columns = (np.arange(width) - 0.5) / 2
    grid = np.meshgrid(rows, columns, indexing="ij")
    full: Vector = ndimage.map_coordinates(half, grid, order=1, mode="nearest")
    return full


def _rows(rows: tuple[Vector, ...], columns: int) -> Vector:
    return np.array(rows) if rows else np.zeros((1, columns))
