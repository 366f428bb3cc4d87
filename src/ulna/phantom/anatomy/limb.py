"""What an anatomy gives: bones, soft tissue, and where things can go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ulna.phantom.solids import Bone, Vector


@dataclass(frozen=True)
class Site:
    """A place of a bone where fractures happen.

    point: mm, neutral frame of the bone. axis: along the bone, to the fragment that stays.
    radius: of the bone there. weight: how often. follow: names of bones that go with the
    moved fragment. kinds: of fracture that happen here, empty for those of every bone.
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
    """Where two bones meet: for dislocation, narrowing and osteophytes.

    centre, radius: mm. moving: names of the bones that leave. directions: unit vectors in
    which they go. margins: (bone, point, outward direction) where osteophytes grow.
    surfaces: (bone, point) just below the joint surface. narrow: mm by which the moving bones
    close the joint space at most. base: name of the bone that stays and in whose frame centre
    and directions are given; empty for the limb's frame.
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
    """The joint at which the bones of `group` turn against those of `parent`.

    pivot: mm, in the limb's frame, neutral pose.
    """

    group: int
    parent: int
    pivot: Vector


@dataclass(frozen=True)
class Limb:
    """One patient's limb in the neutral pose.

    soft: groups of soft-tissue primitives; group g moves with the bones of group g. pivot: of
    the joint that flexes. lesion_sites: (bone, low point, high point, radius of the bone).
    plate_sites: (bone, low point, high point, radius) along which a plate or nail lies. hinges:
    joints of a limb that has several, parents first; such a limb has no use for `pivot`. anchor:
    group and point (limb's frame, neutral pose) that an image of this body part is aimed at. size:
    of the patient over that of the neutral limb (a child: below 0.9).
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
