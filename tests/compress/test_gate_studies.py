"""The studies of a student's gate, and the warnings about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.evaluation.synthetic_studies import make_manifest

from ulna.compress.gate_studies import gate_studies
from ulna.errors import ConfigError, DatasetWarning
from ulna.types import BodyPart, ImageRef, Study


def _studies(start: int, n: int, means: str = "") -> list[Study]:
    return [
        Study(
            f"p{i}", f"s{i}", BodyPart.WRIST, (ImageRef(Path(f"{i}.png")),), bool(i % 2),
            label_means=means,
        )
        for i in range(start, start + n)
    ]  # fmt: skip


def test_a_gate_of_other_images_is_taken() -> None:
    learned, gate = _studies(0, 30), _studies(100, 20, "abnormality")
    chosen, words = gate_studies(gate, learned, {"train": learned}, make_manifest())
    assert chosen == gate and words == "given for the gate"


def test_a_gate_with_labels_of_another_meaning_is_warned_of() -> None:
    """A student of any abnormality was tested on labels of fractures without a warning."""
    learned, gate = _studies(0, 30), _studies(100, 20, "fracture")
    with pytest.warns(DatasetWarning, match="the gate .*20 of 20 studies means fracture, and not"):
        gate_studies(gate, learned, {"train": learned}, make_manifest())


def test_a_gate_that_the_student_learns_from_is_refused_or_warned_of() -> None:
    learned = _studies(0, 30)
    with pytest.raises(ConfigError, match="20 of 20 studies given for the gate are of the data"):
        gate_studies(learned[:20], learned, {"train": learned}, make_manifest())
    copies = [replace(s, images=(ImageRef(Path("other") / s.images[0].path),)) for s in learned]
    with pytest.warns(DatasetWarning, match="30 of 30 studies given for the gate have the patient"):
        gate_studies(copies, learned, {"train": learned}, make_manifest())
