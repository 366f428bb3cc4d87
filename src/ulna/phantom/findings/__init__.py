"""Abnormal findings, drawn in 3-D, with one strength from subtle to obvious."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ulna.phantom.anatomy.limb import Limb
from ulna.phantom.findings.degenerative import draw_degenerative
from ulna.phantom.findings.dislocation import draw_dislocation
from ulna.phantom.findings.fracture import draw_fracture
from ulna.phantom.findings.hardware import draw_hardware
from ulna.phantom.findings.lesion import draw_lytic, draw_sclerotic
from ulna.phantom.findings.placed import PlacedFinding
from ulna.types import FindingCategory, Subtlety

_Draw = Callable[[np.random.Generator, Limb, Subtlety], PlacedFinding]

DRAW: Mapping[FindingCategory, _Draw] = {
    FindingCategory.FRACTURE: draw_fracture,
    FindingCategory.HARDWARE: draw_hardware,
    FindingCategory.LYTIC_LESION: draw_lytic,
    FindingCategory.SCLEROTIC_LESION: draw_sclerotic,
    FindingCategory.DEGENERATIVE: draw_degenerative,
    FindingCategory.DISLOCATION: draw_dislocation,
}

__all__ = ["DRAW", "PlacedFinding"]
