"""A limb: its bones, soft tissue, joints and the sites of findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ulna.phantom.solids import Bone, Vector


@dataclass(frozen=True)
class Site:
    """A site of fractures.

    point: in mm in the bone's neutral frame. axis: along the bone, to the fragment that stays.
    radius: of the bone there in mm. weight: relative frequency. follow: names of bones that move
    with the fragment. kinds: of fracture at this site, empty for those of `findings.fracture`.
    """

    bone: str
    point: Vector
    axis: Vector
    radius: float
    weight: float
    follow: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Joint:
    """A joint that can be dislocated or show degenerative change.

    centre, radius: in mm. moving: names of the bones that leave the joint. directions: in which
    they leave it. margins: (bone, point, outward direction) of osteophytes. surfaces: (bone,
    point) just below the joint surface. narrow: largest shift in mm of the moving bones that
    narrows the joint space. base: name of the bone that stays, in whose frame centre and
    directions are given, or empty for the limb frame.
    """

    centre: Vector
    radius: float
    moving: tuple[str, ...]
    directions: tuple[Vector, ...]
    margins: tuple[tuple[str, Vector, Vector], ...]
    surfaces: tuple[tuple[str, Vector], ...]
    narrow: Vector
    base: str = ""


@dataclass(frozen=True)
class Hinge:
    """A hinge at which the bones of `group` rotate against those of `parent`.

    pivot: in mm in the limb frame, in the neutral pose.
    """

    group: int
    parent: int
    pivot: Vector


@dataclass(frozen=True)
class Limb:
    """One patient's limb in the neutral pose.

    soft: primitives of soft tissue that move with the bones of each group. pivot: of the joint
    that flexes, in a limb without hinges. lesion_sites: (bone, low point, high point, radius).
    plate_sites: (bone, low point, high point, radius) along which a plate or nail lies. hinges: of
    a whole arm, parents first. anchor: group and point (limb frame, neutral pose) that an image is
    aimed at. size: of the patient relative to the neutral limb, below 0.9 for a child.
    """

    bones: tuple[Bone, ...]
    soft: Mapping[int, tuple[Vector, ...]]
    pivot: Vector
    sites: tuple[Site, ...]
    joint: Joint
    lesion_sites: tuple[tuple[str, Vector, Vector, float], ...]
    plate_sites: tuple[tuple[str, Vector, Vector, float], ...]
    hinges: tuple[Hinge, ...] = ()
    anchor: tuple[int, Vector] = field(default_factory=lambda: (0, np.zeros(3)))
    size: float = 1.0
