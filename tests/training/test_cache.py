"""The cache holds what `prepare` shows the bundle, decoded once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.training.tiny import make_recipe

from ulna.errors import DatasetError
from ulna.imaging import read_radiograph
from ulna.preprocess import normalise, prepare
from ulna.training.cache import MASK_STRIDE, build_cache
from ulna.types import FindingCategory, Study


def test_cached_pixels_are_what_prepare_gives(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    recipe = make_recipe()
    images = build_cache(tiny_studies, recipe, tmp_path)
    refs = [ref for s in tiny_studies for ref in s.images]
    assert len(images.images) == len(refs)
    for i in (0, 3, len(refs) - 1):
        expected = prepare(read_radiograph(refs[i].path), recipe.input_spec)[0][0]
        got = normalise(images.images[i], recipe.input_spec)
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_boxes_become_masks_and_labels_arrays(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    images = build_cache(tiny_studies, make_recipe(), tmp_path)
    assert images.has_mask.all()
    covered = images.masks.reshape(len(images.masks), -1).sum(1) / 255 * MASK_STRIDE**2
    np.testing.assert_allclose(covered[images.abnormal == 1], 100, rtol=0.05)
    np.testing.assert_array_equal(covered[images.abnormal == 0], 0)
    assert set(images.part) == {0, 1}
    assert images.categories.shape == (len(images.images), 1)
    chosen = images.of([tiny_studies[1].key])
    assert [images.keys[s] for s in images.study[chosen]] == [tiny_studies[1].key] * 2


def test_a_finding_that_the_source_does_not_know_is_no_target(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    """A label of fractures teaches the fracture head, with or without names of findings."""
    silent = [replace(s, categories=None) for s in tiny_studies]
    kinds = (FindingCategory.FRACTURE, FindingCategory.HARDWARE)
    recipe = replace(make_recipe(), categories=kinds)
    images = build_cache(silent, recipe, tmp_path)
    assert np.isnan(images.categories).all()
    images = build_cache(silent, replace(recipe, abnormal_means="fracture"), tmp_path)
    np.testing.assert_array_equal(images.categories[:, 0], images.abnormal)
    assert np.isnan(images.categories[:, 1]).all()


def test_second_call_decodes_nothing(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    calls: list[int] = []
    recipe = make_recipe()
    build_cache(tiny_studies, recipe, tmp_path, lambda _, i, n: calls.append(i))
    assert calls
    calls.clear()
    build_cache(tiny_studies, recipe, tmp_path, lambda _, i, n: calls.append(i))
    assert not calls
    build_cache(tiny_studies[:4], recipe, tmp_path, lambda _, i, n: calls.append(i))
    assert calls


def test_another_mask_is_decoded_again(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    """The images are the same, their labels are not."""
    recipe, study = make_recipe(), tiny_studies[2]
    for name, left in (("one", 0), ("other", 32)):
        drawn = np.zeros((64, 64), np.uint8)
        drawn[:, left : left + 32] = 255
        Image.fromarray(drawn).save(tmp_path / f"{name}.png")
    mask = tmp_path / "mask.png"
    masked = replace(study, images=(replace(study.images[0], findings=(), mask=mask),))
    for name, side in (("one", slice(0, 8)), ("other", slice(8, 16))):
        shutil.copy2(tmp_path / f"{name}.png", mask)
        images = build_cache([masked], recipe, tmp_path / "cache")
        assert images.masks[0][:, side].all() and images.masks[0].sum() == 128 * 255


@pytest.mark.parametrize("note", ["", '{"fingerprint": "ab', "[]", '"x"'])
def test_a_note_cut_short_by_a_kill_is_none(
    tmp_path: Path, tiny_studies: Sequence[Study], note: str
) -> None:
    first = build_cache(tiny_studies[:2], make_recipe(), tmp_path)
    (done,) = tmp_path.glob("*/done.json")
    done.write_text(note)
    again = build_cache(tiny_studies[:2], make_recipe(), tmp_path)
    np.testing.assert_array_equal(first.images, again.images)


def test_nothing_readable_is_an_error(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    broken = tmp_path / "x.png"
    broken.write_text("not an image")
    ref = replace(tiny_studies[0].images[0], path=broken)
    with pytest.raises(DatasetError, match="none of 1 images"):
        build_cache([replace(tiny_studies[0], images=(ref,))], make_recipe(), tmp_path / "cache")
