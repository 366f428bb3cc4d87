"""Confounders and findings that are left out: the rest of every image is as it was."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from ulna.config.phantom import CONFOUNDERS, PhantomConfig
from ulna.errors import ConfigError
from ulna.phantom.image import PhantomImage
from ulna.phantom.study import draw_study, render_study
from ulna.types import BodyPart, FindingCategory

PARTS = (BodyPart.FOREARM, BodyPart.HAND)
CONFIG = PhantomConfig(40, 8, parts=PARTS, size=128, framing="plate")


def _images(config: PhantomConfig) -> list[PhantomImage]:
    return [image for i in range(config.studies) for image in draw_study(config, i)[3]]


def _present_confounders(image: PhantomImage) -> dict[str, bool]:
    n, c = image.confounders, image.cassette
    assert c is not None
    return {
        "cast": n.cast,
        "jewellery": n.jewellery,
        "marker": n.marker,
        "inverted": n.inverted,
        "borders": any(c.strips) or any(c.rim),
        "streaks": c.streaks > 0,
        "enhancement": any(c.edge),
        "holder": image.holder is not None,
    }


@pytest.mark.parametrize("name", CONFOUNDERS)
def test_only_the_confounder_left_out_is_missing(name: str) -> None:
    full, less = _images(CONFIG), _images(replace(CONFIG, without=(name,)))  # type: ignore[arg-type]
    before, after = [_present_confounders(f) for f in full], [_present_confounders(f) for f in less]
    assert any(present[name] for present in before)
    assert after == [present | {name: False} for present in before]
    for one, other in zip(full, less, strict=True):
        assert one.panels[0].kind == other.panels[0].kind
        assert one.confounders.exposure == other.confounders.exposure
        assert one.cassette and other.cassette
        kept = {"fog", "headroom", "ceiling", "divider", "numbers"}
        for f in fields(one.cassette):
            if f.name in kept:
                assert getattr(one.cassette, f.name) == getattr(other.cassette, f.name)


def test_an_image_that_never_had_it_keeps_its_bytes() -> None:
    less = replace(CONFIG, without=("cast",))
    seen = {True: 0, False: 0}
    for i in range(20):
        cast = any(image.confounders.cast for image in draw_study(CONFIG, i)[3])
        if cast and seen[True]:
            continue
        pairs = zip(render_study(CONFIG, i).views, render_study(less, i).views, strict=True)
        same = all(np.array_equal(a.pixels, b.pixels) for a, b in pairs)
        part = CONFIG.parts[i % 2]
        assert same or cast, f"study {i} of {part} has no cast and changed"
        seen[cast] += 1
        if seen[False] >= 3 and seen[True]:
            break
    assert seen[False] >= 3


def test_findings_are_those_requested_in_their_proportions() -> None:
    requested = (FindingCategory.FRACTURE, FindingCategory.DISLOCATION)
    config = PhantomConfig(24, 3, size=96, abnormal_share=1.0, findings=requested)
    studies = [render_study(config, i) for i in range(config.studies)]
    share = np.mean([s.category == FindingCategory.FRACTURE for s in studies])
    assert {s.category for s in studies} == set(requested)
    assert 0.6 < share < 1  # of 0.36 + 0.07 and 0.50 + 0.11, five in six


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"without": ("casts",)}, "expected one of cast"),
        ({"findings": ()}, "expected some of fracture"),
        ({"findings": (FindingCategory.HARDWARE,)}, "not hardware alone"),
    ],
)
def test_what_cannot_be_left_out_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **change)  # type: ignore[arg-type]
