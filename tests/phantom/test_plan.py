"""Plan: exact counts and shares, no patient in both splits, second visits."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from ulna.config.phantom import PhantomConfig
from ulna.errors import ConfigError
from ulna.phantom.plan import plan_study
from ulna.types import BodyPart


@pytest.mark.parametrize(
    ("studies", "seed", "share", "valid"),
    [(1, 0, 0.5, 0.2), (7, 4, 0.5, 0.2), (300, 1, 0.4, 0.2), (301, 2, 0.5, 0.25), (90, 3, 0.7, 1)],
)
def test_counts_are_exact(studies: int, seed: int, share: float, valid: float) -> None:
    config = PhantomConfig(studies, seed, abnormal_share=share, valid_share=valid)
    plans = [plan_study(config, i) for i in range(studies)]
    assert len({p.folder for p in plans}) == studies
    by_part = Counter(p.body_part for p in plans)
    assert max(by_part.values()) - min(by_part.get(p, 0) for p in config.parts) <= 1
    for part, total in by_part.items():
        own = [p for p in plans if p.body_part is part]
        assert sum(p.split == "valid" for p in own) == round(valid * total)
        for split in ("train", "valid"):
            labels = [p.abnormal for p in own if p.split == split]
            assert abs(sum(labels) - share * len(labels)) <= 0.5


def test_no_patient_is_in_both_splits_or_two_body_parts() -> None:
    config = PhantomConfig(1000, 5)
    sides, visits = defaultdict(set), defaultdict(list)
    for plan in (plan_study(config, i) for i in range(1000)):
        sides[plan.patient].add((plan.split, plan.body_part))
        visits[plan.patient].append(plan.visit)
    assert all(len(s) == 1 for s in sides.values())
    assert all(v == list(range(1, len(v) + 1)) for v in visits.values())
    twice = sum(len(v) == 2 for v in visits.values())
    assert 0.08 * 1000 < twice < 0.11 * 1000


def test_labels_follow_the_seed_and_not_the_order() -> None:
    first, again, other = (
        [plan_study(PhantomConfig(90, seed), i).abnormal for i in range(90)] for seed in (1, 1, 2)
    )
    assert first == again != other
    # neither dealt in turn nor the first half: runs of both kinds
    changes = sum(a != b for a, b in zip(first[::3], first[3::3], strict=False))
    assert 5 < changes < 25


@pytest.mark.parametrize(
    "changes",
    [
        {"studies": 0},
        {"seed": -1},
        {"size": 95},
        {"parts": ()},
        {"parts": (BodyPart.WRIST, BodyPart.WRIST)},
        {"framing": "wide"},
        {"abnormal_share": 1.2},
        {"obvious": 0.5, "moderate": 0.25, "subtle": 0.25},
        {"obvious": 0.5, "moderate": 0.5, "subtle": 0.5},
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected|no phantom"):
        PhantomConfig(**({"studies": 4} | changes))  # type: ignore[arg-type]
