"""Bones and soft tissue of each body part, varied from patient to patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ulna.phantom.anatomy.elbow import build_elbow
from ulna.phantom.anatomy.humerus import build_humerus
from ulna.phantom.anatomy.limb import Limb
from ulna.phantom.anatomy.vary import Vary
from ulna.phantom.anatomy.wrist import build_wrist
from ulna.types import BodyPart

BUILDERS: Mapping[BodyPart, Callable[[Vary], Limb]] = {
    BodyPart.ELBOW: build_elbow,
    BodyPart.HUMERUS: build_humerus,
    BodyPart.WRIST: build_wrist,
}

__all__ = ["BUILDERS", "Limb", "Vary"]
