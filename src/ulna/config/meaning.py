"""What the label "abnormal" of a source means: any abnormality, or one finding alone."""

from __future__ import annotations

from typing import Literal

AbnormalMeaning = Literal[
    "abnormality",
    "fracture",
    "hardware",
    "lytic_lesion",
    "sclerotic_lesion",
    "degenerative",
    "dislocation",
]
ANY: AbnormalMeaning = "abnormality"


def answer_words(meaning: str) -> tuple[str, str]:
    """(word for abnormal, word for normal) of an answer: 'fracture', 'no fracture'."""
    if meaning == ANY:
        return "abnormal", "normal"
    word = meaning.replace("_", " ")
    return word, f"no {word}"
