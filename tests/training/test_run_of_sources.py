"""A run on several sources: each head learns from those that speak of what it answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.training.tiny import make_recipe, make_studies

from ulna.config.recipe import Augmentation, ExpertConfig, LossWeights
from ulna.training import DataSource, train_run
from ulna.training.cache import build_cache
from ulna.training.run import split_side
from ulna.types import FindingCategory, Study

FRACTURE, HARDWARE = FindingCategory.FRACTURE, FindingCategory.HARDWARE
OTHERS = frozenset(FindingCategory) - {FRACTURE}


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    """Two sources of fractures, one without boxes; implants, of which no fracture is known."""
    folder = tmp_path_factory.mktemp("images")
    plain = make_studies(folder, 30)

    def of(name: str, own: list[Study]) -> list[Study]:
        return [
            replace(s, patient_id=f"{name}.{s.patient_id}", source=name, unknown=OTHERS)
            for s in own
        ]

    bare = [
        replace(s, images=tuple(replace(i, findings=()) for i in s.images))
        for s in of("bare", plain[16:24])
    ]
    steel = [
        replace(
            s, abnormal=None, categories=frozenset({HARDWARE}),
            unknown=frozenset(FindingCategory) - {HARDWARE},
            images=tuple(replace(i, findings=()) for i in s.images),
        )
        for s in of("steel", plain[24:])
    ]  # fmt: skip
    return [*of("boxed", plain[:16]), *bare, *steel]


def _recipe(**changes: object) -> ExpertConfig:
    values: dict[str, object] = {
        "name": "cnn", "encoder": "cnn", "neck": "attention", "epochs": 2, "batch_size": 8,
        "abnormal_share": 0.5, "source_balance": 1.0, "crop_size": 32, "crop_share": 0.5,
    }  # fmt: skip
    return ExpertConfig(**{**values, **changes})  # type: ignore[arg-type]


def test_unlabelled_studies_join_the_training_part(studies: list[Study]) -> None:
    split = split_side(studies, {"train": 0.6, "tune": 0.2, "calibration": 0.2}, 0)
    labelled = [s for s in studies if s.abnormal is not None]
    assert sorted(s.key for part in split.values() for s in part) == sorted(s.key for s in studies)
    for part in ("tune", "calibration"):
        assert all(s.abnormal is not None for s in split[part])
    mixed = [replace(s, patient_id="boxed.p0") if s.abnormal is None else s for s in studies]
    again = split_side(mixed, {"train": 0.5, "tune": 0.5}, 3)
    where = next(n for n, own in again.items() if any(s.patient_id == "boxed.p0" for s in own))
    assert (sum(map(len, again.values())) == len(labelled)) == (where == "tune")


def test_targets_of_a_head_are_the_labels_of_the_source(
    studies: list[Study], tmp_path: Path
) -> None:
    recipe = make_recipe(categories=(FRACTURE, HARDWARE))
    images = build_cache(studies, recipe, tmp_path)
    of = {n: np.array([k.split("/")[1].startswith(n) for k in images.keys])[images.study]
          for n in ("boxed", "bare", "steel")}  # fmt: skip
    assert np.isnan(images.categories[of["boxed"], 1]).all()
    np.testing.assert_array_equal(images.categories[of["bare"], 0], images.abnormal[of["bare"]])
    assert np.isnan(images.abnormal[of["steel"]]).all()
    assert np.isnan(images.categories[of["steel"], 0]).all()
    assert (images.categories[of["steel"], 1] == 1).all()
    assert [set(images.source[of[n]]) for n in ("bare", "boxed", "steel")] == [{0}, {1}, {2}]


def test_a_run_on_several_sources_is_resumed_to_the_bit(
    studies: list[Study], tmp_path: Path
) -> None:
    """With every change of a source's signature, on crops and on whole images."""
    changes = Augmentation(
        least_fill=0.5, frame=0.5, letters=0.5, veil=0.3, edges=1.0, resample=0.5, jpeg=0.3,
        tone=0.1,
    )  # fmt: skip
    recipe = make_recipe(
        experts=(_recipe(),), augmentation=changes, categories=(FRACTURE, HARDWARE), patience=0,
        loss=LossWeights(map=0.3, attention=1.0),
        fractions={"train": 1, "tune": 0, "calibration": 0},
    )  # fmt: skip
    source = DataSource("sources", "sources.csv")
    files = []
    for out in (tmp_path / "whole", tmp_path / "halted"):
        stop = _Stop(7) if out.name == "halted" else None
        if stop is not None:
            with pytest.raises(KeyboardInterrupt):
                train_run(recipe, studies, out, source, progress=stop)
        train_run(recipe, studies, out, source)
        files.append((out / "experts/cnn/weights.safetensors").read_bytes())
    assert files[0] == files[1]
    used = json.loads((tmp_path / "whole/split.json").read_text())
    assert len(used["train"]) == len(studies)


class _Stop:
    """A progress report that ends the run at its n-th call of training."""

    def __init__(self, n: int) -> None:
        self._left = n

    def __call__(self, what: str, done: int, of: int) -> None:
        self._left -= what != "decode"
        if not self._left:
            raise KeyboardInterrupt
