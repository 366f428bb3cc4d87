"""Which images a fold's graph is asked about: none that it has learned from."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.second_source_films import not_learned

from ulna.config.codec import write_json
from ulna.types import BodyPart, ImageRef, Study


def _study(source: str, k: int) -> Study:
    ids = (f"{source}.p{k}", f"{source}.s{k}")
    return Study(*ids, BodyPart.WRIST, (ImageRef(Path(f"{k}.png")),), False, source=source)


@pytest.mark.parametrize("alone", [True, False])
def test_images_that_a_fold_has_learned_from_are_not_asked(tmp_path: Path, alone: bool) -> None:
    """A cross-validation of the table of sources names them otherwise than one of a single one."""
    studies = [_study(source, k) for source in ("own", "other") for k in range(4)]
    learned = [s.key.replace("own.", "") if alone else s.key for s in studies[:2]]
    learned += [] if alone else [studies[4].key]
    write_json({"train": learned, "tune": []}, tmp_path / "split.json")
    expected = studies[2:] if alone else [*studies[2:4], *studies[5:]]
    assert not_learned(studies, "own", tmp_path) == expected
