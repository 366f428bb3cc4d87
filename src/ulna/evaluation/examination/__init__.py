"""The heat map's own examination: does it show what the answer rests on?"""

from __future__ import annotations

from ulna.evaluation.examination.pipeline import ExaminationPlan, examine

__all__ = ["ExaminationPlan", "examine"]
