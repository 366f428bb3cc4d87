"""Whole arms for images of the shoulder, and for plates of the humerus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ulna.phantom.anatomy.arm import HUMERUS, UPPER_ARM, WHOLE_HAND, build_arm
from ulna.phantom.anatomy.humerus import humerus_sites, shoulder_joint
from ulna.phantom.anatomy.limb import Joint, Limb, Site
from ulna.phantom.anatomy.trunk import MIDLINE
from ulna.phantom.anatomy.variation import Variation

_BELOW = ("radius", "ulna", *WHOLE_HAND)
_KINDS = ("transverse", "oblique", "comminuted", "impacted")
_CLAVICLE = ("transverse", "oblique", "comminuted")


def build_shoulder(v: Variation) -> Limb:
    """Build an arm for images aimed at the humeral head."""
    neck, tubercle, shaft = (replace(s, kinds=_KINDS) for s in _humerus_sites()[:3])
    clavicle = [
        Site(
            "clavicle",
            np.array([MIDLINE + x, y, z]),
            np.array([-1.0, 0, 0.3]),
            5.6,
            often,
            (),
            _CLAVICLE,
        )
        for x, y, z, often in ((95, 192, 15, 0.22), (135, 195, -1, 0.12))
    ]
    return replace(
        build_arm(v),
        sites=(replace(neck, axis=-neck.axis, follow=_BELOW), tubercle, shaft, *clavicle),
        joint=_joint(),
        lesion_sites=(("humerus", np.array([0.0, 95, 0]), np.array([0.0, 140, 0]), 14.0),),
        plate_sites=(
            ("humerus", np.array([1.0, 40, 0]), np.array([3.0, 130, 0]), 13.0),
            ("clavicle", np.array([-95.0, 191, 18]), np.array([-40.0, 195, 0]), 5.6),
        ),
        anchor=(UPPER_ARM, np.array([-9.0, HUMERUS + 150, 0])),
    )


def build_wide_humerus(v: Variation) -> Limb:
    """Build an arm for plates aimed at the humerus, with shoulder, chest and elbow."""
    return replace(
        build_arm(v),
        sites=tuple(replace(s, kinds=_KINDS[:3]) for s in _humerus_sites()),
        joint=_joint(),
        lesion_sites=(
            ("humerus", np.array([0.0, 95, 0]), np.array([0.0, 140, 0]), 14.0),
            ("humerus", np.array([0.0, -70, 0]), np.array([1.0, 80, 0]), 10.5),
        ),
        plate_sites=(
            ("humerus", np.array([0.0, -60, 0]), np.array([1.0, 40, 0]), 11.0),
            ("humerus", np.array([1.0, 20, 0]), np.array([3.0, 125, 0]), 13.0),
        ),
        anchor=(UPPER_ARM, np.array([0.0, HUMERUS, 0])),
    )


def _humerus_sites() -> tuple[Site, ...]:
    return tuple(replace(s, follow=_BELOW) if s.follow else s for s in humerus_sites())


def _joint() -> Joint:
    return replace(shoulder_joint(), moving=("humerus", *_BELOW), base="scapula")
