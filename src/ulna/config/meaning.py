"""What the label "abnormal" means in a data set: any abnormality, or one kind of finding."""

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
    """Return the words for abnormal and normal, like ('fracture', 'no fracture')."""
    if meaning == ANY:
        return "abnormal", "normal"
    word = meaning.replace("_", " ")
    return word, f"no {word}"
