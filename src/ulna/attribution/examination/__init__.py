"""Examination of a bundle's heat maps: do they show the pixels that the answer depends on?"""

from __future__ import annotations

from ulna.attribution.examination.pipeline import ExaminationPlan, examine

__all__ = ["ExaminationPlan", "examine"]
