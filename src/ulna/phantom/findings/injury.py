"""Fractures of the whole arm's bones, as wide images show them: steps, angles, overlap, buckles.

At about 1 mm a pixel a line alone is seldom seen; what tells is that the outline is broken. So
each kind here moves its fragment by a part of the bone's radius at least, whatever the strength.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ulna.phantom.anatomy.limb import Site
from ulna.phantom.findings.placed import perpendicular, turn_about
from ulna.phantom.solids import Bone, Vector, cone, ellipsoid, frame
from ulna.types import Subtlety


@dataclass(frozen=True)
class Break:
    """What is drawn once: all but the strength.

    normal: of the broken surface. shift, axial: sideways and along the bone (positive: the
    fragments overlap), mm at full strength. hinge, angle: of the bend, rad. rough: height in mm
    and frequency in 1/mm of the surface. chips: centre and semi-axes. least: share of the motion
    that the weakest one has. gaps: mm between the surfaces without strength, and what full
    strength adds; None for the rule of close images. swell: height in mm of a buckle's ridge.
    """

    site: Site
    kind: str
    displaced: bool
    normal: Vector
    shift: Vector
    axial: float
    hinge: Vector
    angle: float
    rough: tuple[float, float]
    chips: tuple[tuple[Vector, Vector], ...]
    least: float = 0.0
    gaps: tuple[float, float] | None = None
    swell: float = 0.0

    def motion(self, strength: float) -> tuple[Vector, Vector, float]:
        """(rotation, shift in mm, gap in mm) of the moved fragment."""
        turn, shift, gap = np.eye(3), np.zeros(3), 0.1 + 2.6 * strength
        s = self.least + (1 - self.least) * strength
        if self.displaced:
            turn = turn_about(self.hinge, self.angle * s)
            shift = (self.shift + self.site.axis * self.axial) * s
            gap = 0.2 + (1.6 if self.kind == "comminuted" else 0.6) * strength
        elif self.kind != "hairline":
            shift = self.shift * 0.12 * strength
        if self.gaps:
            gap = self.gaps[0] + self.gaps[1] * strength
        return turn, shift, gap


@dataclass(frozen=True)
class _Kind:
    """Ranges: tilt of the surface and bend in degrees, sideways and axial motion in radii."""

    tilt: tuple[float, float]
    shift: tuple[float, float]
    axial: tuple[float, float]
    angle: tuple[float, float]
    gaps: tuple[float, float]


_KINDS: Mapping[str, _Kind] = {
    "hairline": _Kind((5, 45), (0.0, 0.0), (0.0, 0.0), (0, 0), (0.3, 2.2)),
    "transverse": _Kind((0, 18), (0.2, 1.3), (-0.15, 0.5), (3, 26), (0.5, 0.9)),
    "oblique": _Kind((35, 62), (0.2, 1.1), (-0.1, 1.2), (2, 18), (0.5, 1.0)),
    "comminuted": _Kind((10, 45), (0.3, 1.2), (-0.2, 0.7), (5, 28), (0.6, 1.6)),
    "greenstick": _Kind((0, 15), (0.0, 0.25), (-0.1, 0.1), (9, 34), (0.3, 0.5)),
    "buckle": _Kind((0, 10), (0.0, 0.15), (0.02, 0.15), (2, 13), (0.0, 0.2)),
    "impacted": _Kind((0, 25), (0.1, 0.6), (0.15, 0.6), (6, 30), (0.0, 0.3)),
}
_HAIRLINES = {Subtlety.SUBTLE: 0.3, Subtlety.MODERATE: 0.1, Subtlety.OBVIOUS: 0.0}
_LEAST = 0.15


def draw_injury(rng: np.random.Generator, site: Site, subtlety: Subtlety) -> Break:
    """One of the site's kinds, or a hairline where little is to be seen."""
    kind = str(rng.choice(site.kinds))
    if rng.random() < _HAIRLINES[subtlety]:
        kind = "hairline"
    spec, r = _KINDS[kind], site.radius
    tilt = float(np.radians(rng.uniform(*spec.tilt)))
    normal = turn_about(perpendicular(rng, site.axis), tilt) @ site.axis
    point = site.point + site.axis * rng.normal(0, 0.4 * r)
    sideways = perpendicular(rng, site.axis)
    return Break(
        site=replace(site, point=point),
        kind=kind,
        displaced=kind != "hairline",
        normal=normal,
        shift=sideways * r * rng.uniform(*spec.shift),
        axial=r * float(rng.uniform(*spec.axial)),
        hinge=perpendicular(rng, site.axis),
        angle=float(np.radians(rng.uniform(*spec.angle))),
        rough=(float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.15, 0.5))),
        chips=_chips(rng, site, point) if kind == "comminuted" else (),
        least=_LEAST,
        gaps=spec.gaps,
        swell=r * float(rng.uniform(0.12, 0.3)) if kind == "buckle" else 0.0,
    )


def _chips(
    rng: np.random.Generator, site: Site, point: Vector
) -> tuple[tuple[Vector, Vector], ...]:
    """Two to four splinters about the surface, longer than wide."""
    out = []
    for _ in range(int(rng.integers(2, 5))):
        side = perpendicular(rng, site.axis)
        centre = point + side * site.radius * rng.uniform(0.7, 1.3)
        centre = centre + site.axis * rng.normal(0, 0.7 * site.radius)
        out.append((centre, rng.uniform(0.8, 0.32 * site.radius + 1, 3)))
    return tuple(out)


def swelling(drawn: Break, host: Bone, strength: float) -> tuple[Bone, ...]:
    """The ridge that a buckled cortex throws up, as a marked bone; nothing for other kinds."""
    if not drawn.swell:
        return ()
    site, high = drawn.site, drawn.swell * (0.3 + 0.7 * strength)
    r, way = site.radius, site.axis
    side = np.cross(way, drawn.hinge)
    centre = site.point + 0.5 * high * side
    ridge = ellipsoid(centre, (r + high, 2.2 + high, r + high), 1, turn=frame(way))
    hole = cone(
        site.point - 12 * way, site.point + 12 * way, (0.8 * r, 0.8 * r), smooth=1, cut=True
    )
    return (
        replace(
            host,
            name="ridge",
            primitives=(ridge, hole),
            cortex=0.9,
            medulla=(0.0, 0.0),
            density=0.75 * host.density,
            marked=True,
            fracture=-1,
            lesion=-1,
        ),
    )
