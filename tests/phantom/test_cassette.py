"""Images of every body part in both framings: deterministic, masked, independent of the label."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from ulna.config.phantom import ALL_PHANTOM_PARTS, PhantomConfig
from ulna.phantom.anatomy import Variation, build_limb
from ulna.phantom.cassette import Cassette, develop_cassette, divide, draw_cassette, hidden
from ulna.phantom.confounders import draw_confounders
from ulna.phantom.image import PhantomImage, draw_images
from ulna.phantom.scene import project_scene
from ulna.phantom.study import PhantomStudy, render_study
from ulna.phantom.views import pose
from ulna.types import BodyPart, Laterality

FRAMINGS = ("collimated", "plate")
EVERY = [(part, framing) for part in ALL_PHANTOM_PARTS for framing in FRAMINGS]


def _config(part: BodyPart, framing: str, share: float) -> PhantomConfig:
    size = 96 if framing == "collimated" else 128
    return PhantomConfig(
        4,
        31,
        parts=(part,),
        size=size,
        abnormal_share=share,
        framing=framing,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module", params=EVERY, ids=lambda p: f"{p[0]}-{p[1]}")
def pair(request: pytest.FixtureRequest) -> tuple[PhantomConfig, list[PhantomStudy]]:
    """A config and its first two studies, all abnormal."""
    config = _config(*request.param, 1.0)
    return config, [render_study(config, i) for i in range(2)]


Pair = tuple[PhantomConfig, list[PhantomStudy]]


def test_masks_lie_on_the_image_and_normal_has_none(pair: Pair) -> None:
    config, studies = pair
    for study in studies:
        assert study.subtlety is not None and study.kind
        assert any(v.mask.any() for v in study.views)
        for view in study.views:
            assert view.mask.shape == view.pixels.shape
            assert max(view.pixels.shape) <= config.size
            assert view.pixels.std() > 3 and 0.05 < view.spacing < 4.5
    normal = render_study(replace(config, abnormal_share=0.0), 0)
    assert normal.category is None
    assert not any(v.mask.any() or v.cnr for v in normal.views)


def test_the_finding_is_what_differs_from_the_normal_image(pair: Pair) -> None:
    """With equal random streams, greys differ more in the mask than elsewhere."""
    config, studies = pair
    for i, study in enumerate(studies):
        normal = render_study(replace(config, abnormal_share=0.0), i)
        best = int(np.argmax([v.cnr for v in study.views]))
        with_it, without = study.views[best], normal.views[best]
        assert with_it.cnr > 0.3
        change = np.abs(with_it.pixels.astype(int) - without.pixels)
        assert change[with_it.mask].mean() > change[~with_it.mask].mean()


def test_the_seed_decides_every_pixel(pair: Pair) -> None:
    config, studies = pair
    again = render_study(config, 0)
    for a, b in zip(studies[0].views, again.views, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        np.testing.assert_array_equal(a.mask, b.mask)
    assert studies[0].views[0].pixels.tobytes() != studies[1].views[0].pixels.tobytes()


def _drawn_settings(image: PhantomImage) -> list[object]:
    cameras = [
        (v.kind.name, v.flexion, v.arm, *v.camera.rotation.ravel(), *v.camera.centre)
        for v in image.panels
    ]
    held = image.holder.view.camera.offset if image.holder else None
    return [cameras, image.confounders, image.cassette, held]


@pytest.mark.parametrize(("part", "framing"), EVERY)
def test_images_are_drawn_before_the_label_is_known(
    part: BodyPart, framing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ulna.phantom.study as study_module

    seen: list[object] = []
    inner = study_module.draw_images

    def recorded(*args: object) -> tuple[PhantomImage, ...]:
        images = inner(*args)  # type: ignore[arg-type]
        seen.append([_drawn_settings(image) for image in images])
        return images

    monkeypatch.setattr(study_module, "draw_images", recorded)
    for share in (0.0, 1.0):
        render_study(_config(part, framing, share), 1)
    assert seen[0] == seen[1]


def test_some_cassettes_are_divided_and_hold_two_views() -> None:
    limb = build_limb(BodyPart.ELBOW, "plate", Variation(np.random.default_rng(0)))
    config = PhantomConfig(1, framing="plate")
    names = [
        image.name
        for seed in range(60)
        for image in draw_images(limb, BodyPart.ELBOW, config, np.random.default_rng(seed))
    ]
    assert 1 <= sum("+" in name for name in names) <= 20
    assert {"AP", "LAT", "OBL"} <= set(names)


def _plain() -> Cassette:
    drawn = draw_cassette(np.random.default_rng(0))
    return replace(
        drawn, strips=(0.0, 0.1, 0.0, 0.0), rim=(0.0,) * 4, fog=0.1, streaks=0.0, edge=(0.0, 0.0)
    )


def test_strips_are_white_and_hide_findings() -> None:
    cassette, confounders = _plain(), draw_confounders(np.random.default_rng(1))
    confounders = replace(confounders, marker=False, inverted=False, coarse=False)
    seen = np.zeros((100, 80), np.float32)
    seen[20:60, 30:50] = 1.5
    image = develop_cassette(seen, seen > 1, False, cassette, confounders, Laterality.LEFT)
    assert (image[95:] > 220).all()
    assert image[5, 5] == pytest.approx(255 * 0.1, abs=2)
    assert image[40, 40] > image[5, 5] + 30
    covered = hidden(seen.shape, cassette, divided=False)
    assert covered[95:].all() and not covered[:80].any()


def test_the_wedge_divides_the_image() -> None:
    cassette = replace(_plain(), divider=(0.02, 0.1, 1.0))
    image = divide(np.zeros((100, 80), np.uint8), cassette)
    white = (image > 200).sum(1)
    assert white[-1] > white[0] >= 1
    np.testing.assert_array_equal(image > 200, hidden(image.shape, cassette, True) & (image > 200))


def test_a_drawn_cassette_is_within_its_ranges() -> None:
    for seed in range(50):
        cassette = draw_cassette(np.random.default_rng(seed))
        assert all(0 <= s <= 0.3 for s in cassette.strips)
        assert 0 <= cassette.fog <= 0.3 and 1.05 <= cassette.headroom <= 2.5
    assert len(fields(Cassette)) == 9


def test_a_holder_adds_a_hand_and_leaves_the_mask() -> None:
    """Children are held more often than adults; the hand only adds attenuation."""
    limb = build_limb(BodyPart.FOREARM, "plate", Variation(np.random.default_rng(0)))
    held = {}
    config = PhantomConfig(1, size=128, framing="plate")
    for size in (0.7, 1.0):
        own = replace(limb, size=size)
        images = [
            image
            for seed in range(24)
            for image in draw_images(own, BodyPart.FOREARM, config, np.random.default_rng(seed))
        ]
        held[size] = [image for image in images if image.holder]
    assert len(held[0.7]) > len(held[1.0])
    image = held[0.7][0]
    assert image.holder is not None
    normal = project_scene(
        pose(replace(limb, size=0.7), image.panels[0], 0), image.panels[0].camera
    )
    added = image.holder.added(normal)
    np.testing.assert_array_equal(added.marked, normal.marked)
    assert (added.bone >= normal.bone - 1e-6).all() and added.bone.sum() > 1.02 * normal.bone.sum()
