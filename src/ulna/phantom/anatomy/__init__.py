"""Bones and soft tissue of each body part, varied from patient to patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ulna.config.phantom import Framing
from ulna.phantom.anatomy.elbow import build_elbow
from ulna.phantom.anatomy.forearm import build_forearm, build_wide_elbow, build_wide_wrist
from ulna.phantom.anatomy.hand import build_finger, build_hand
from ulna.phantom.anatomy.humerus import build_humerus
from ulna.phantom.anatomy.limb import Limb
from ulna.phantom.anatomy.shoulder import build_shoulder, build_wide_humerus
from ulna.phantom.anatomy.vary import Vary
from ulna.phantom.anatomy.wrist import build_wrist
from ulna.types import BodyPart

BUILDERS: Mapping[BodyPart, Callable[[Vary], Limb]] = {
    BodyPart.ELBOW: build_elbow,
    BodyPart.HUMERUS: build_humerus,
    BodyPart.WRIST: build_wrist,
}
# Whole arms, aimed and broken as each body part asks for.
ARM_BUILDERS: Mapping[BodyPart, Callable[[Vary], Limb]] = {
    BodyPart.ELBOW: build_wide_elbow,
    BodyPart.FINGER: build_finger,
    BodyPart.FOREARM: build_forearm,
    BodyPart.HAND: build_hand,
    BodyPart.HUMERUS: build_wide_humerus,
    BodyPart.SHOULDER: build_shoulder,
    BodyPart.WRIST: build_wide_wrist,
}


def build_limb(part: BodyPart, framing: Framing, v: Vary) -> Limb:
    """The limb of `v` for an image of `part`: a whole arm where it needs one."""
    close = framing == "collimated" and part in BUILDERS
    return (BUILDERS if close else ARM_BUILDERS)[part](v)


__all__ = ["ARM_BUILDERS", "BUILDERS", "Limb", "Vary", "build_limb"]
