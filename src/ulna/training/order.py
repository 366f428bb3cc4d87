"""The images of an epoch and their order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Shares(NamedTuple):
    """The composition of an epoch.

    abnormal: share of abnormal images, 0 for that of the data. unknown_part: share of images of
    unknown body part, 0 for no distinction. source: (N,) source index of each image. of_source:
    (S,) share of draws of each source. Both are None where sources are not balanced.
    """

    abnormal: float
    unknown_part: float = 0.0
    source: Indices | None = None
    of_source: Floats | None = None

    def of(self, chosen: npt.NDArray[np.bool_]) -> Shares:
        """Return the shares for the images `chosen` only, without that of unknown body parts."""
        source = None if self.source is None else self.source[chosen]
        return Shares(self.abnormal, 0, source, self.of_source)


def source_shares(source: Indices, weight: Floats, balance: float) -> Floats | None:
    """Return (S,) the share of draws of each source, with sum 1; None if sources need no balance.

    source, weight: (N,) of each image. A share is proportional to n ** (1 - balance) * weight for a
    source of n images.
    """
    counts = np.bincount(source).astype(np.float64)
    there = counts > 0
    each = np.ones(len(counts))
    each[source] = weight
    if there.sum() < 2 or (not balance and np.ptp(each[there]) == 0):
        return None
    odds = np.where(there, np.maximum(counts, 1) ** (1 - balance) * each, 0)
    shares: Floats = odds / odds.sum()
    return shares


def draw_epoch_with_unknown(
    images: Indices,
    abnormal: npt.NDArray[np.bool_],
    unknown_part: npt.NDArray[np.bool_],
    shares: Shares,
    seed: np.random.SeedSequence,
) -> Indices:
    """Draw an epoch like `draw_epoch`, with a share of images of unknown body part.

    abnormal, unknown_part: (N,) by image. `shares.unknown_part` must be 0 where all or no body
    parts are known.
    """
    if not shares.unknown_part:
        return draw_epoch(images, abnormal, shares, seed)
    seeds = seed.spawn(3)
    sizes = (
        round((1 - shares.unknown_part) * len(images)),
        round(shares.unknown_part * len(images)),
    )
    drawn = [
        _draw(images[chosen], abnormal[chosen], n, shares.of(chosen), child)
        for chosen, n, child in zip((~unknown_part, unknown_part), sizes, seeds, strict=False)
    ]
    return np.random.default_rng(seeds[2]).permutation(np.concatenate(drawn))


def _draw(
    images: Indices,
    abnormal: npt.NDArray[np.bool_],
    n: int,
    shares: Shares,
    seed: np.random.SeedSequence,
) -> Indices:
    """Draw (n,) images as repeated epochs, the last cut off."""
    rounds = [draw_epoch(images, abnormal, shares, one) for one in seed.spawn(-(-n // len(images)))]
    return np.concatenate([images[:0], *rounds])[:n]


def draw_epoch(
    images: Indices,
    abnormal: npt.NDArray[np.bool_],
    shares: Shares,
    seed: np.random.SeedSequence,
) -> Indices:
    """Return (N,) the N `images` in random order, or a draw with the composition `shares`.

    abnormal: (N,) by image. Where a class is drawn more often than it has images, all its images
    are drawn equally often but for a remainder. With a share of 0, or a single class, each image is
    drawn once. Each of several sources has its share, and the abnormal images theirs within it.
    """
    if shares.source is not None and shares.of_source is not None:
        return _draw_sources(images, abnormal, shares, seed)
    rng = np.random.default_rng(seed)
    if not shares.abnormal or abnormal.all() or not abnormal.any():
        return rng.permutation(images)
    n_abnormal = round(shares.abnormal * len(images))
    drawn = [
        _repeat(images[abnormal], n_abnormal, rng),
        _repeat(images[~abnormal], len(images) - n_abnormal, rng),
    ]
    return rng.permutation(np.concatenate(drawn))


def _draw_sources(
    images: Indices,
    abnormal: npt.NDArray[np.bool_],
    shares: Shares,
    seed: np.random.SeedSequence,
) -> Indices:
    assert shares.source is not None and shares.of_source is not None
    there = np.unique(shares.source)
    sizes = _whole(shares.of_source[there] / shares.of_source[there].sum(), len(images))
    seeds = seed.spawn(len(there) + 1)
    drawn = []
    for number, n, child in zip(there.tolist(), sizes, seeds, strict=False):
        chosen = shares.source == number
        drawn.append(_draw(images[chosen], abnormal[chosen], n, Shares(shares.abnormal), child))
    return np.random.default_rng(seeds[-1]).permutation(np.concatenate(drawn))


def _whole(shares: Floats, n: int) -> list[int]:
    """Divide `n` by shares of sum 1 into whole numbers, rounding up the largest remainders."""
    exact = shares * n
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: n - int(whole.sum())]] += 1
    return [int(v) for v in whole]


def draw_rates(abnormal: npt.NDArray[np.bool_], shares: Shares) -> Floats:
    """Return (N,) relative draw rates of the images in an epoch, `unknown_part` taken as 0."""
    number = np.zeros(len(abnormal), np.int64) if shares.source is None else shares.source
    rates = np.zeros(len(abnormal))
    for source in np.unique(number).tolist():
        own = number == source
        whole = 1.0 if shares.of_source is None else float(shares.of_source[source])
        classes = [own & abnormal, own & ~abnormal]
        parts = [shares.abnormal, 1 - shares.abnormal]
        if not shares.abnormal or not all(c.any() for c in classes):
            classes, parts = [own], [1.0]
        for one, part in zip(classes, parts, strict=True):
            rates[one] = whole * part / one.sum()
    return rates


def _repeat(images: Indices, n: int, rng: np.random.Generator) -> Indices:
    rounds = -(-n // len(images))
    return np.concatenate([rng.permutation(images) for _ in range(rounds)] or [images[:0]])[:n]
