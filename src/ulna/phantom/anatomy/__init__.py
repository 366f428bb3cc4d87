"""Bones and soft tissue of each body part, which vary between patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ulna.config.phantom import Framing
from ulna.phantom.anatomy.elbow import build_elbow
from ulna.phantom.anatomy.forearm import build_forearm, build_wide_elbow, build_wide_wrist
from ulna.phantom.anatomy.hand import build_finger, build_hand
from ulna.phantom.anatomy.humerus import build_humerus
from ulna.phantom.anatomy.limb import Limb
from ulna.phantom.anatomy.shoulder import build_shoulder, build_wide_humerus
from ulna.phantom.anatomy.variation import Variation
from ulna.phantom.anatomy.wrist import build_wrist
from ulna.types import BodyPart

BUILDERS: Mapping[BodyPart, Callable[[Variation], Limb]] = {
    BodyPart.ELBOW: build_elbow,
    BodyPart.HUMERUS: build_humerus,
    BodyPart.WRIST: build_wrist,
}
# Whole arms with the aim and the findings of each body part.
ARM_BUILDERS: Mapping[BodyPart, Callable[[Variation], Limb]] = {
    BodyPart.ELBOW: build_wide_elbow,
    BodyPart.FINGER: build_finger,
    BodyPart.FOREARM: build_forearm,
    BodyPart.HAND: build_hand,
    BodyPart.HUMERUS: build_wide_humerus,
    BodyPart.SHOULDER: build_shoulder,
    BodyPart.WRIST: build_wide_wrist,
}


def build_limb(part: BodyPart, framing: Framing, v: Variation) -> Limb:
    """Build the limb of patient `v` for images of `part`: a whole arm where they need one."""
    close = framing == "collimated" and part in BUILDERS
    return (BUILDERS if close else ARM_BUILDERS)[part](v)


__all__ = ["ARM_BUILDERS", "BUILDERS", "Limb", "Variation", "build_limb"]
