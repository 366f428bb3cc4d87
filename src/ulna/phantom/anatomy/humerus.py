"""The upper arm: humerus, scapula, clavicle, some ribs, proximal radius and ulna."""

from __future__ import annotations

import numpy as np

from ulna.phantom.anatomy.distal_humerus import distal_humerus, proximal_radius, proximal_ulna
from ulna.phantom.anatomy.limb import Joint, Limb, Site
from ulna.phantom.anatomy.variation import Variation
from ulna.phantom.solids import Bone, Vector, chain, cone, ellipsoid

_UP = np.array([0.0, 1.0, 0.0])
_ELBOW = -145.0
_FOREARM = ("radius", "ulna")


def build_humerus(v: Variation) -> Limb:
    """Build an upper arm (group 1) that hangs beside the chest, medial side on -x."""
    return Limb(
        bones=(
            _humerus(v),
            proximal_radius(v, _ELBOW, 100),
            proximal_ulna(v, _ELBOW, 100),
            *_girdle(v),
        ),
        soft=_soft(v),
        pivot=np.array([0.0, 150.0, 0.0]),
        sites=humerus_sites(),
        joint=shoulder_joint(),
        lesion_sites=(
            ("humerus", np.array([0.0, 95, 0]), np.array([0.0, 140, 0]), 15.0),
            ("humerus", np.array([0.0, -70, 0]), np.array([1.0, 80, 0]), 10.5),
            ("humerus", np.array([0.0, -115, 0]), np.array([0.0, -95, 0]), 10.0),
        ),
        plate_sites=(
            ("humerus", np.array([0.0, -60, 0]), np.array([1.0, 40, 0]), 11.0),
            ("humerus", np.array([1.0, 20, 0]), np.array([3.0, 125, 0]), 13.0),
        ),
    )


def proximal_humerus(v: Variation) -> tuple[Vector, ...]:
    """Return head, greater tubercle, and the shaft down to the elbow's columns."""
    shaft = chain(
        [
            v.point(0, 138, 0),
            v.point(2, 112, 0),
            v.point(1, 50, 0, 1.5),
            v.point(0, -30, 0, 1.5),
            v.point(0, -105, 0),
        ],
        v.radii([19, 14, 11.5, 11, 10.5]),
        smooth=8,
    )
    head = ellipsoid(v.point(-9, 150, 0), (v.radius(22), v.radius(22), v.radius(22)), 6)
    tubercle = cone(v.point(12, 150, 0), v.point(10, 128, 0), (11, 12), smooth=8)
    return (head, tubercle, *shaft)


def _humerus(v: Variation) -> Bone:
    return Bone(
        "humerus",
        (*proximal_humerus(v), *distal_humerus(v, _ELBOW)),
        cortex=3.6 * v.cortex,
        medulla=(-115, 120),
        group=1,
        density=v.density,
    )


def scapula(v: Variation) -> Bone:
    """Return a scapula with glenoid, neck, body, spine with acromion, and coracoid."""
    return Bone(
        "scapula",
        (
            ellipsoid(v.point(-40, 145, 0), (7, 17, 12), 5),
            cone((-44, 145, 0), (-62, 138, -4), (9, 7), (1, 0.9), 6),
            cone((-60, 165, -10), v.point(-95, 40, -18), (6, 5), (1, 0.5), 6),
            cone((-60, 160, -8), v.point(-120, 120, -20), (7, 3), (1, 0.4), 6),
            cone((-62, 160, -15), v.point(-20, 186, -15), (6, 7), (1, 0.7), 6),
            cone((-48, 162, 6), v.point(-30, 168, 24), (6, 5), smooth=5),
            ellipsoid((-10, 150, 0), (24.5, 24.5, 24.5), 1, cut=True),
        ),
        cortex=1.5 * v.cortex,
        density=v.density,
    )


def _girdle(v: Variation) -> tuple[Bone, ...]:
    blade = scapula(v)
    line = [v.point(-14, 190, 0), v.point(-50, 197, 10, 2), v.point(-110, 190, 5, 2)]
    clavicle = Bone("clavicle", tuple(chain(line, [6.5, 6, 6])), 1.8 * v.cortex, density=v.density)
    ribs = []
    for i in range(4):
        y = 170 - 34 * i + float(v.point(0, 0, 0, 2)[1])
        points = [(-150, y + 20, -30), (-118, y + 5, -40), (-96, y - 18, -20), (-92, y - 40, 20)]
        ribs.append(Bone(f"rib{i}", tuple(chain(points, [5, 5, 5, 5], smooth=4)), 1.0, density=0.8))
    return (blade, clavicle, *ribs)


def _soft(v: Variation) -> dict[int, tuple[Vector, ...]]:
    f = v.fat
    return {
        1: (
            cone((-5, 150, 0), (0, 80, 0), (56 * f, 49 * f), (1, 1), 25),
            cone((0, 80, 0), (0, -110, 0), (49 * f, 38 * f), (1.02, 0.95), 20),
            cone((0, -110, 0), (0, -260, 0), (38 * f, 35 * f), (1.1, 0.9), 20),
        ),
        # Half of the chest is air: a ray meets about 50 mm of wall and lung tissue.
        0: (cone((-130, 190, 0), (-140, 20, 0), (70, 74), (1, 0.42), 30),),
    }


def humerus_sites() -> tuple[Site, ...]:
    """Return the sites of humerus fractures, from the neck down."""
    return (
        Site("humerus", np.array([0.0, 116, 0]), -_UP, 16, 0.30),
        Site("humerus", np.array([12.0, 138, 0]), np.array([-0.9, 0.2, 0]), 12, 0.08),
        Site("humerus", np.array([1.0, 55, 0]), _UP, 11.5, 0.18, _FOREARM),
        Site("humerus", np.array([0.0, 5, 0]), _UP, 11, 0.18, _FOREARM),
        Site("humerus", np.array([0.0, -55, 0]), _UP, 11, 0.14, _FOREARM),
        Site("humerus", np.array([0.0, -114, 0]), _UP, 15, 0.12, _FOREARM),
    )


def shoulder_joint() -> Joint:
    """Return the joint between humeral head and glenoid."""
    x, y, z = np.eye(3)
    return Joint(
        centre=np.array([-20.0, 150, 0]),
        radius=34,
        moving=("humerus", *_FOREARM),
        directions=(
            -0.45 * x - 0.75 * y + 0.5 * z,
            0.85 * x - 0.5 * y,
            0.3 * x - 0.9 * y - 0.3 * z,
        ),
        margins=(
            ("humerus", np.array([-16.0, 131, 0]), np.array([-0.5, -0.85, 0])),
            ("humerus", np.array([2.0, 171, 0]), np.array([0.4, 0.9, 0])),
            ("humerus", np.array([22.0, 150, 0]), np.array([0.9, 0.4, 0])),
            ("scapula", np.array([-36.0, 130, 0]), np.array([0.4, -0.9, 0])),
        ),
        surfaces=(("humerus", np.array([-20.0, 153, 0])), ("scapula", np.array([-40.0, 146, 0]))),
        narrow=np.array([-2.2, 0.8, 0]),
    )
