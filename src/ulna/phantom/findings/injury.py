"""Fractures of a whole arm's bones, as a plate shows them: steps, angles, overlap, buckles.

At about 1 mm per pixel a fracture line is seldom visible, but a broken outline is. Each kind but
the hairline therefore moves its fragment by at least a part of the bone's radius.
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
class Fracture:
    """A drawn fracture; only its strength is open.

    normal: of the broken surface. shift, axial: motion sideways and along the bone (positive:
    fragments overlap) in mm at full strength. hinge, angle: axis and angle of the bend in rad.
    rough: height in mm and frequency in 1/mm of the surface. chips: centres and semi-axes. least:
    share of the motion at strength 0. gaps: mm between the surfaces at strength 0, and added at
    full strength; None for the rule of collimated images. swell: height of a buckle's ridge in mm.
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
        """Return rotation, shift in mm and gap in mm of the moved fragment."""
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
    """Ranges of tilt and bend in degrees, of both motions in radii, and the gaps in mm."""

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
# Probability of a hairline at each level of subtlety.
_HAIRLINES = {Subtlety.SUBTLE: 0.3, Subtlety.MODERATE: 0.1, Subtlety.OBVIOUS: 0.0}
_LEAST = 0.15


def draw_injury(rng: np.random.Generator, site: Site, subtlety: Subtlety) -> Fracture:
    """Draw a fracture of one of the site's kinds, or a hairline, mostly for a subtle one."""
    kind = str(rng.choice(site.kinds))
    if rng.random() < _HAIRLINES[subtlety]:
        kind = "hairline"
    spec, r = _KINDS[kind], site.radius
    tilt = float(np.radians(rng.uniform(*spec.tilt)))
    normal = turn_about(perpendicular(rng, site.axis), tilt) @ site.axis
    point = site.point + site.axis * rng.normal(0, 0.4 * r)
    sideways = perpendicular(rng, site.axis)
    return Fracture(
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
    """Draw two to four splinters around the surface."""
    out = []
    for _ in range(int(rng.integers(2, 5))):
        side = perpendicular(rng, site.axis)
        centre = point + side * site.radius * rng.uniform(0.7, 1.3)
        centre = centre + site.axis * rng.normal(0, 0.7 * site.radius)
        out.append((centre, rng.uniform(0.8, 0.32 * site.radius + 1, 3)))
    return tuple(out)


def cortical_ridge(drawn: Fracture, host: Bone, strength: float) -> tuple[Bone, ...]:
    """Return the ridge of a buckled cortex as a marked bone, and nothing for other kinds."""
    if not drawn.swell:
        return ()
    site, height = drawn.site, drawn.swell * (0.3 + 0.7 * strength)
    r, axis = site.radius, site.axis
    side = np.cross(axis, drawn.hinge)
    centre = site.point + 0.5 * height * side
    ridge = ellipsoid(centre, (r + height, 2.2 + height, r + height), 1, turn=frame(axis))
    hole = cone(
        site.point - 12 * axis, site.point + 12 * axis, (0.8 * r, 0.8 * r), smooth=1, cut=True
    )
    density = 0.75 * host.density
    part = host.part_of_finding(
        "ridge", ridge, hole, cortex=0.9, medulla=(0.0, 0.0), density=density
    )
    return (part,)
