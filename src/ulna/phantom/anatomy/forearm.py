"""Whole arms for images of the forearm, and for plates of wrist and elbow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ulna.phantom.anatomy.arm import ELBOW, FOREARM, UPPER_ARM, WHOLE_HAND, build_arm, from_elbow
from ulna.phantom.anatomy.elbow import elbow_joint, elbow_sites
from ulna.phantom.anatomy.hand import arm_wrist_sites
from ulna.phantom.anatomy.limb import Joint, Limb, Site
from ulna.phantom.anatomy.variation import Variation

_UP = np.array([0.0, 1.0, 0.0])
_SHAFT = ("transverse", "oblique", "comminuted", "greenstick")
_END = ("transverse", "oblique", "comminuted", "buckle", "impacted")
_HUMERUS_UP = -145.0


def build_forearm(v: Variation) -> Limb:
    """Build an arm for images aimed at the middle of the forearm."""
    return replace(
        build_arm(v),
        sites=_forearm_sites(),
        lesion_sites=(
            ("radius", np.array([9.0, 30, 0]), np.array([14.0, 150, 3]), 6.5),
            ("ulna", np.array([-13.0, 30, -2]), np.array([-8.0, 190, -6]), 5.8),
        ),
        plate_sites=(
            ("radius", np.array([12.0, 70, 2]), np.array([15.0, 150, 3]), 6.4),
            ("ulna", np.array([-13.0, 80, -3]), np.array([-9.0, 165, -6]), 6.0),
            ("radius", np.array([8.0, 6, 0]), np.array([8.0, 52, 0]), 7.0),
        ),
        anchor=(FOREARM, np.array([0.0, 120, 0])),
    )


def build_wide_wrist(v: Variation) -> Limb:
    """Build an arm for plates aimed at the wrist."""
    sites = (replace(s, kinds=_END) for s in arm_wrist_sites())
    return replace(
        build_arm(v),
        sites=tuple(sites),
        lesion_sites=(
            ("radius", np.array([8.0, 6, 0]), np.array([8.0, 34, 0]), 9.0),
            ("ulna", np.array([-13.0, 6, -2]), np.array([-13.0, 30, -2]), 5.5),
        ),
        plate_sites=(
            ("radius", np.array([8.0, 6, 0]), np.array([8.0, 52, 0]), 7.0),
            ("ulna", np.array([-13.0, 14, -2]), np.array([-14.0, 60, -2]), 5.4),
        ),
        anchor=(FOREARM, np.array([3.0, 0, 0])),
    )


def build_wide_elbow(v: Variation) -> Limb:
    """Build an arm for plates aimed at the elbow."""
    arm = build_arm(v)
    return replace(
        arm,
        sites=tuple(_from_elbow(s) for s in elbow_sites()),
        joint=_elbow_joint(),
        lesion_sites=(
            ("humerus", np.array([0.0, -95, 0]), np.array([0.0, -70, 0]), 9.0),
            ("ulna", np.array([-8.0, ELBOW - 24, -9]), np.array([-6.0, ELBOW - 55, -6]), 7.5),
            ("radius", np.array([10.0, ELBOW - 36, 3]), np.array([11.0, ELBOW - 60, 3]), 6.0),
        ),
        plate_sites=(
            ("humerus", np.array([0.0, -113, 0]), np.array([0.0, -60, 0]), 9.5),
            ("ulna", np.array([-8.0, ELBOW + 5, -16]), np.array([-7.0, ELBOW - 48, -7]), 8.0),
        ),
        anchor=(UPPER_ARM, np.array([0.0, ELBOW, 0])),
    )


def _forearm_sites() -> tuple[Site, ...]:
    """Return sites on both shafts; three in ten fractures are at the wrist, one at the elbow."""
    sites = []
    for y, often in ((35, 0.10), (65, 0.10), (105, 0.12), (150, 0.10)):
        x = float(np.interp(y, (35, 70, 120, 160), (9, 8, 14, 15)))
        sites.append(Site("radius", np.array([x, y, 2.0]), _UP, 6.8, often, WHOLE_HAND, _SHAFT))
        x = float(np.interp(y, (35, 120, 170), (-13.5, -13, -10)))
        sites.append(Site("ulna", np.array([x, y, -3.0]), _UP, 6.0, 0.7 * often, (), _SHAFT))
    wrist = [replace(s, weight=0.5 * s.weight, kinds=_END) for s in arm_wrist_sites()[:4]]
    near = [_from_elbow(s) for s in elbow_sites()[3:]]
    return (*sites, *wrist, *(replace(s, weight=0.2 * s.weight) for s in near))


def _from_elbow(site: Site) -> Site:
    """Return a site of the elbow on the arm's bones: mirrored, the humerus in its own frame."""
    up = _HUMERUS_UP if site.bone == "humerus" else ELBOW
    axis = np.array([-site.axis[0], *site.axis[1:]])
    follow = ("radius", "ulna", *WHOLE_HAND) if site.follow else ()
    point = from_elbow(site.point, up)
    return replace(site, point=point, axis=axis, follow=follow, kinds=_SHAFT[:3])


def _elbow_joint() -> Joint:
    """Return the elbow's joint on the arm's bones, in the frame of the humerus."""
    joint = elbow_joint()
    up = {"humerus": _HUMERUS_UP, "ulna": ELBOW, "radius": ELBOW}
    turn = np.array([-1.0, 1, 1])
    return replace(
        joint,
        centre=from_elbow(joint.centre, _HUMERUS_UP),
        moving=("radius", "ulna", *WHOLE_HAND),
        directions=tuple(d * turn for d in joint.directions),
        margins=tuple((b, from_elbow(p, up[b]), d * turn) for b, p, d in joint.margins),
        surfaces=tuple((b, from_elbow(p, up[b])) for b, p in joint.surfaces),
        base="humerus",
    )
