"""What an anatomy gives: bones, soft tissue, and where things can go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ulna.phantom.solids import Bone, Vector


@dataclass(frozen=True)
class Site:
    """A place of a bone where fractures happen.

    point: mm, neutral frame of the bone. axis: along the bone, to the fragment that stays.
    radius: of the bone there. weight: how often. follow: names of bones that go with the
    moved fragment.
    """

    bone: str
    point: Vector
    axis: Vector
    radius: float
    weight: float
    follow: tuple[str, ...] = ()


@dataclass(frozen=True)
class Joint:
    """Where two bones meet: for dislocation, narrowing and osteophytes.

    centre, radius: mm. moving: names of the bones that leave. directions: unit vectors in
    which they go. margins: (bone, point, outward direction) where osteophytes grow.
    surfaces: (bone, point) just below the joint surface. narrow: mm by which the moving bones
    close the joint space at most.
    """

    centre: Vector
    radius: float
    moving: tuple[str, ...]
    directions: tuple[Vector, ...]
    margins: tuple[tuple[str, Vector, Vector], ...]
    surfaces: tuple[tuple[str, Vector], ...]
    narrow: Vector


@dataclass(frozen=True)
class Limb:
    """One patient's limb in the neutral pose.

    soft: groups of soft-tissue primitives; group g moves with the bones of group g. pivot: of
    the joint that flexes. lesion_sites: (bone, low point, high point, radius of the bone).
    plate_sites: (bone, low point, high point, radius) along which a plate or nail lies.
    """

    bones: tuple[Bone, ...]
    soft: Mapping[int, tuple[Vector, ...]]
    pivot: Vector
    sites: tuple[Site, ...]
    joint: Joint
    lesion_sites: tuple[tuple[str, Vector, Vector, float], ...]
    plate_sites: tuple[tuple[str, Vector, Vector, float], ...]
