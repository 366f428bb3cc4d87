"""Whole arms for images of the hand, and of one of its fingers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ulna.phantom.anatomy.arm import PALM, WHOLE_HAND, build_arm
from ulna.phantom.anatomy.fingers import LENGTHS, beyond, finger_group, phalanx_ends
from ulna.phantom.anatomy.limb import Joint, Limb, Site
from ulna.phantom.anatomy.variation import Variation
from ulna.phantom.anatomy.wrist import METACARPAL_ENDS, wrist_sites
from ulna.phantom.solids import Vector

_SHORT = ("transverse", "oblique", "comminuted", "buckle")
_CHIP = ("transverse", "oblique")


def build_hand(v: Variation) -> Limb:
    """Build an arm for images aimed at the middle of the metacarpals."""
    arm = build_arm(v)
    finger = 1 + v.choice(4)
    bones = [b for f in range(5) for b in _finger_bones(f)]
    bones += [_metacarpal(f) for f in range(5)]
    wrist = (replace(s, weight=0.35 * s.weight, kinds=_SHORT) for s in arm_wrist_sites())
    return replace(
        arm,
        sites=(*_metacarpal_sites(), *_phalanx_sites(range(5), 0.6), *wrist),
        joint=_knuckle(finger, 0),
        lesion_sites=tuple((n, a + 0.3 * (b - a), a + 0.7 * (b - a), r) for n, a, b, r in bones),
        plate_sites=tuple(_metacarpal(f) for f in range(1, 5)),
        anchor=(PALM, np.array([5.0, -62, 0])),
    )


def build_finger(v: Variation) -> Limb:
    """Build an arm for images aimed at one finger, the same for every image of a patient."""
    arm = build_arm(v)
    finger = v.choice(5)
    bones = _finger_bones(finger)
    start, end, _ = phalanx_ends(finger)[0]
    return replace(
        arm,
        sites=_phalanx_sites((finger,), 1.0),
        joint=_knuckle(finger, 0),
        lesion_sites=tuple((n, a + 0.2 * (b - a), a + 0.8 * (b - a), r) for n, a, b, r in bones),
        plate_sites=tuple(bones[:1]),
        anchor=(finger_group(finger, 0), 0.1 * start + 0.9 * end),
    )


def arm_wrist_sites() -> tuple[Site, ...]:
    """Return the wrist's sites, with the fingers following."""
    return tuple(replace(s, follow=WHOLE_HAND) if s.follow else s for s in wrist_sites())


def _metacarpal(finger: int) -> tuple[str, Vector, Vector, float]:
    base, head, (_, radius, _) = METACARPAL_ENDS[finger]
    return f"metacarpal{finger + 1}", np.array(head, float), np.array(base, float), radius


def _finger_bones(finger: int) -> list[tuple[str, Vector, Vector, float]]:
    """Return (name, head, base, shaft radius) of the finger's phalanges."""
    return [
        (f"phalanx{finger + 1}{k + 1}", end, start, radii[1])
        for k, (start, end, radii) in enumerate(phalanx_ends(finger))
    ]


def _metacarpal_sites() -> tuple[Site, ...]:
    """Return sites, more on necks and on the fifth metacarpal than elsewhere (boxer's fracture)."""
    sites = []
    for finger, often in enumerate((0.10, 0.08, 0.08, 0.10, 0.22)):
        name, head, base, radius = _metacarpal(finger)
        way = (base - head) / np.linalg.norm(base - head)
        for t, share in ((0.2, 0.5), (0.45, 0.3), (0.85, 0.2)):
            point = head + t * (base - head)
            sites.append(
                Site(name, point, way, radius + 0.4, often * share, beyond(finger), _SHORT)
            )
    return tuple(sites)


def _phalanx_sites(fingers: range | tuple[int, ...], often: float) -> tuple[Site, ...]:
    sites = []
    for finger in fingers:
        for k, (name, head, base, radius) in enumerate(_finger_bones(finger)):
            way = (base - head) / np.linalg.norm(base - head)
            share = often * (0.5, 0.3, 0.2)[k] / 5
            after = beyond(finger, k)
            last = k == len(LENGTHS[finger]) - 1
            kinds = _CHIP if last else _SHORT
            for t, part in ((0.12, 0.2), (0.5, 0.4), (0.86, 0.4)):
                point = head + t * (base - head)
                sites.append(Site(name, point, way, radius + 0.5, share * part, after, kinds))
    return tuple(sites)


def _knuckle(finger: int, phalanx: int) -> Joint:
    """Return the joint beyond phalanx 0 or 1 of a finger, which dislocates to the back or side."""
    near, far = phalanx_ends(finger)[phalanx : phalanx + 2]
    way = (near[1] - near[0]) / np.linalg.norm(near[1] - near[0])
    x = np.array([1.0, 0, 0]) - way * way[0]
    x = x / np.linalg.norm(x)
    back = np.cross(x, way)
    back = back if back[2] < 0 else -back
    host, moved = f"phalanx{finger + 1}{phalanx + 1}", beyond(finger, phalanx)
    head, base, r = near[1], far[0], near[2][2]
    return Joint(
        centre=(head + base) / 2,
        radius=9.0,
        moving=moved,
        directions=(0.85 * back - 0.5 * way, 0.8 * x - 0.4 * way, 0.6 * back - 0.6 * x - 0.4 * way),
        margins=(
            (host, head + 0.7 * r * x, x + 0.4 * way),
            (host, head - 0.7 * r * x, -x + 0.4 * way),
            (moved[0], base + 0.7 * r * x, x - 0.4 * way),
            (moved[0], base - 0.7 * r * x, -x - 0.4 * way),
        ),
        surfaces=((host, head), (moved[0], base)),
        narrow=-1.4 * way,
        base=host,
    )
