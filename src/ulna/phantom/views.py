"""Views of a study: the projections, the pose of the limb, and the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ulna.phantom.anatomy.limb import Hinge, Limb
from ulna.phantom.scene import UPRIGHT, Camera, Scene
from ulna.phantom.solids import Vector, rotation
from ulna.types import BodyPart


@dataclass(frozen=True)
class ViewKind:
    """One standard projection.

    yaw: rotation about the limb's axis in degrees. flexion: range in degrees. arm: rotation of the
    distal group alone, without the trunk, in degrees. aspect: range of width over height. pitch:
    rotation about the horizontal axis in degrees. raised: range of the arm's abduction in degrees.
    """

    name: str
    yaw: float
    flexion: tuple[float, float] = (0.0, 0.0)
    arm: float = 0.0
    aspect: tuple[float, float] = (0.6, 0.9)
    pitch: float = 0.0
    raised: tuple[float, float] = (8.0, 30.0)


VIEWS: Mapping[BodyPart, tuple[ViewKind, ...]] = {
    BodyPart.WRIST: (
        ViewKind("PA", 0),
        ViewKind("LAT", 90, aspect=(0.5, 0.8)),
        ViewKind("OBL", 42),
    ),
    BodyPart.ELBOW: (
        ViewKind("AP", 0, (3, 22), aspect=(0.65, 1.0)),
        ViewKind("LAT", 90, (65, 100), aspect=(0.8, 1.0)),
        ViewKind("OBL", 40, (5, 28), aspect=(0.65, 1.0)),
    ),
    BodyPart.HUMERUS: (
        ViewKind("AP", 0, aspect=(0.45, 0.68)),
        ViewKind("LAT", 0, arm=85, aspect=(0.45, 0.68)),
    ),
}
# Range of the height of the field in mm.
_FIELD = {BodyPart.WRIST: (118, 150), BodyPart.ELBOW: (145, 190), BodyPart.HUMERUS: (325, 375)}
_CENTRE = {BodyPart.WRIST: (3, 6, 0), BodyPart.ELBOW: (0, 2, 0), BodyPart.HUMERUS: (-8, 4, 0)}


@dataclass(frozen=True)
class View:
    """One drawn view, which does not depend on the finding.

    flexion, arm: in rad. turns: (3, 3) rotation of each group at its hinge, for a limb with hinges.
    """

    kind: ViewKind
    flexion: float
    arm: float
    camera: Camera
    turns: Mapping[int, Vector] = field(default_factory=dict)


def draw_views(part: BodyPart, size: int, rng: np.random.Generator) -> tuple[View, ...]:
    """Draw one to three views of a study; the longest side is `size` px or a little less."""
    kinds = VIEWS[part]
    count = int(rng.choice([1, 2, 3], p=[0.2, 0.5, 0.3])) if len(kinds) > 2 else 0
    count = count or int(rng.choice([1, 2], p=[0.3, 0.7]))
    first = int(rng.integers(2)) if count == 1 else 0
    return tuple(_draw_view(part, kinds[first + i], size, rng) for i in range(count))


def _draw_view(part: BodyPart, kind: ViewKind, size: int, rng: np.random.Generator) -> View:
    flexion = float(np.radians(rng.uniform(*kind.flexion)))
    arm = float(np.radians(kind.arm + rng.normal(0, 6)))
    field = float(rng.uniform(*_FIELD[part]))
    aspect = float(rng.uniform(*kind.aspect))
    longest = int(round(size * rng.uniform(0.88, 1.0))) if rng.random() < 0.3 else size
    turned = rng.random() < 0.06
    roll = np.radians(rng.normal(0, 7) + (90 if turned else 0))
    turn = (
        rotation("z", float(roll))
        @ UPRIGHT
        @ rotation("x", float(np.radians(rng.normal(0, 3))))
        @ rotation("y", float(np.radians(kind.yaw + rng.normal(0, 5))))
    )
    # A flexed forearm moves the middle of the field.
    bend = np.array([0.0, 1 - np.cos(flexion), np.sin(flexion)]) * 0.17 * field
    centre = np.array(_CENTRE[part], np.float64) + bend + rng.normal(0, 0.035 * field, 3)
    shape = (longest, int(round(longest * aspect)))
    camera = Camera(turn, centre, shape[::-1] if turned else shape, field / longest)
    return View(kind, flexion, arm, camera)


def pose(limb: Limb, view: View, noise: int) -> Scene:
    """Return the limb posed as in `view`; bones keep their neutral frames."""
    if limb.hinges:
        return _pose_chain(limb, placements(limb.hinges, view.turns), noise)
    turn = rotation("x", -view.flexion) @ rotation("y", view.arm)
    origin, turns = np.zeros(3), bool(view.kind.flexion[1] or view.kind.arm)
    bones = tuple(b.moved(turn, origin, limb.pivot) if b.group and turns else b for b in limb.bones)
    groups = [
        _move_soft(rows, turn, limb.pivot) if group and turns else list(rows)
        for group, rows in limb.soft.items()
    ]
    return Scene(bones=bones, soft=np.array([r for rows in groups for r in rows]), noise=noise)


def placements(
    hinges: Sequence[Hinge], turns: Mapping[int, Vector]
) -> dict[int, tuple[Vector, Vector]]:
    """Return rotation and translation of every group; each turns at its hinge, after its parent."""
    out = {0: (np.eye(3), np.zeros(3))}
    for hinge in hinges:
        turn, shift = out[hinge.parent]
        own = turns.get(hinge.group, np.eye(3))
        moved = turn @ (hinge.pivot - own @ hinge.pivot) + shift
        out[hinge.group] = (turn @ own, moved)
    return out


def _pose_chain(limb: Limb, placed: Mapping[int, tuple[Vector, Vector]], noise: int) -> Scene:
    origin = np.zeros(3)
    bones = tuple(b.moved(*placed[b.group], origin) for b in limb.bones)
    soft = []
    for group, rows in limb.soft.items():
        turn, shift = placed[group]
        soft += _move_soft(rows, turn, origin, shift)
    return Scene(bones=bones, soft=np.array(soft), noise=noise, trunk=True)


def _move_soft(
    rows: tuple[Vector, ...], turn: Vector, pivot: Vector, shift: Vector | float = 0.0
) -> list[Vector]:
    out = []
    for row in rows:
        moved = row.copy()
        moved[0:3] = turn @ (row[0:3] - pivot) + pivot + shift
        moved[3:12] = (row[3:12].reshape(3, 3) @ turn.T).ravel()
        out.append(moved)
    return out
