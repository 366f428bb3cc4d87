"""The heat map's own examination: does it show what the answer rests on?"""

from __future__ import annotations

from ulna.attribution.examination.pipeline import ExaminationPlan, examine

__all__ = ["ExaminationPlan", "examine"]
