"""Which images an epoch shows, and in which order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Shares(NamedTuple):
    """What an epoch is composed of. No other noun says how often images are drawn.

    abnormal: share of abnormal images, 0 as they come. beside: of images of unknown body part, 0
    for one draw over all. source, of_source: (N,) number of each image's source and (S,) share of
    the draws by that number; None: as they come.
    """

    abnormal: float
    beside: float = 0.0
    source: Indices | None = None
    of_source: Floats | None = None

    def of(self, chosen: npt.NDArray[np.bool_]) -> Shares:
        """For those images alone, and not divided by body part any more."""
        source = None if self.source is None else self.source[chosen]
        return Shares(self.abnormal, 0, source, self.of_source)


def source_shares(source: Indices, weight: Floats, balance: float) -> Floats | None:
    """(S,) the share of draws of each source by its number, sum 1.

    source, weight: (N,) of each image. Proportional to n ** (1 - balance) * weight for a source of
    n images; None where images may come as they do.
    """
    counts = np.bincount(source).astype(np.float64)
    there = counts > 0
    each = np.ones(len(counts))
    each[source] = weight
    if there.sum() < 2 or (not balance and np.ptp(each[there]) == 0):
        return None
    wanted = np.where(there, np.maximum(counts, 1) ** (1 - balance) * each, 0)
    shares: Floats = wanted / wanted.sum()
    return shares


def draw_beside(
    images: Indices,
    abnormal: npt.NDArray[np.bool_],
    unknown_part: npt.NDArray[np.bool_],
    shares: Shares,
    seed: np.random.SeedSequence,
) -> Indices:
    """An epoch as `draw_epoch`, of which a share is images of unknown body part.

    abnormal, unknown_part: (N,) by image. The share `beside` must be 0 where all or no body parts
    are known.
    """
    if not shares.beside:
        return draw_epoch(images, abnormal, shares, seed)
    seeds = seed.spawn(3)
    wanted = (round((1 - shares.beside) * len(images)), round(shares.beside * len(images)))
    drawn = [
        _draw(images[chosen], abnormal[chosen], n, shares.of(chosen), own)
        for chosen, n, own in zip((~unknown_part, unknown_part), wanted, seeds, strict=False)
    ]
    return np.random.default_rng(seeds[2]).permutation(np.concatenate(drawn))


def _draw(
    images: Indices,
    abnormal: npt.NDArray[np.bool_],
    n: int,
    shares: Shares,
    seed: np.random.SeedSequence,
) -> Indices:
    """(n,) as many epochs of the images as they take, the last cut off."""
    rounds = [draw_epoch(images, abnormal, shares, one) for one in seed.spawn(-(-n // len(images)))]
    return np.concatenate([images[:0], *rounds])[:n]


def draw_epoch(
    images: Indices,
    abnormal: npt.NDArray[np.bool_],
    shares: Shares,
    seed: np.random.SeedSequence,
) -> Indices:
    """(N,) a random order of the N `images`, or a draw of the composition that `shares` says.

    abnormal: (N,) by image. Of a class that is drawn more often than it has images, all come
    equally often but for a remainder. A share of 0, or only one class: each image once. Of several
    sources each has its share, and the abnormal ones theirs within it.
    """
    if shares.source is not None and shares.of_source is not None:
        return _draw_sources(images, abnormal, shares, seed)
    rng = np.random.default_rng(seed)
    if not shares.abnormal or abnormal.all() or not abnormal.any():
        return rng.permutation(images)
    wanted = round(shares.abnormal * len(images))
    drawn = [
        _repeat(images[abnormal], wanted, rng),
        _repeat(images[~abnormal], len(images) - wanted, rng),
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
    wanted = _whole(shares.of_source[there] / shares.of_source[there].sum(), len(images))
    seeds = seed.spawn(len(there) + 1)
    drawn = []
    for number, n, own in zip(there.tolist(), wanted, seeds, strict=False):
        chosen = shares.source == number
        drawn.append(_draw(images[chosen], abnormal[chosen], n, Shares(shares.abnormal), own))
    return np.random.default_rng(seeds[-1]).permutation(np.concatenate(drawn))


def _whole(shares: Floats, n: int) -> list[int]:
    """`n` divided by shares of sum 1 into whole numbers: the largest remainders are rounded up."""
    exact = shares * n
    result = np.floor(exact).astype(np.int64)
    order = np.argsort(result - exact, kind="stable")
    result[order[: n - int(result.sum())]] += 1
    return [int(v) for v in result]


def draw_rates(abnormal: npt.NDArray[np.bool_], shares: Shares) -> Floats:
    """(N,) how often each image is drawn in an epoch, up to a factor; `beside` counts as 0."""
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
