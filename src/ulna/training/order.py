"""Which images an epoch shows, and in which order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def draw_beside(
    images: Indices,
    abnormal: npt.NDArray[np.bool_],
    unknown_part: npt.NDArray[np.bool_],
    shares: tuple[float, float],
    seed: np.random.SeedSequence,
) -> Indices:
    """An epoch as `draw_epoch`, of which a share is images of unknown body part.

    abnormal, unknown_part: (N,) by image. shares: of abnormal images, of unknown body part; the
    second is 0 for one draw over all. It must be 0 where all or no body parts are known.
    """
    abnormal_share, beside = shares
    if not beside:
        return draw_epoch(images, abnormal, abnormal_share, seed)
    seeds = seed.spawn(3)
    wanted = (round((1 - beside) * len(images)), round(beside * len(images)))
    drawn = []
    for chosen, n, own in zip((~unknown_part, unknown_part), wanted, seeds, strict=False):
        draws = -(-n // int(chosen.sum()))
        rounds = [
            draw_epoch(images[chosen], abnormal[chosen], abnormal_share, one)
            for one in own.spawn(draws)
        ]
        drawn.append(np.concatenate([images[:0], *rounds])[:n])
    return np.random.default_rng(seeds[2]).permutation(np.concatenate(drawn))


def draw_epoch(
    images: Indices,
    abnormal: npt.NDArray[np.bool_],
    abnormal_share: float,
    seed: np.random.SeedSequence,
) -> Indices:
    """(N,) a random order of the N `images`; with `abnormal_share` a draw of that composition.

    abnormal: (N,) by image. Of a class that is drawn more often than it has images, all come
    equally often but for a remainder. A share of 0, or only one class: each image once.
    """
    rng = np.random.default_rng(seed)
    if not abnormal_share or abnormal.all() or not abnormal.any():
        return rng.permutation(images)
    wanted = round(abnormal_share * len(images))
    drawn = [
        _repeat(images[abnormal], wanted, rng),
        _repeat(images[~abnormal], len(images) - wanted, rng),
    ]
    return rng.permutation(np.concatenate(drawn))


def _repeat(images: Indices, n: int, rng: np.random.Generator) -> Indices:
    rounds = -(-n // len(images))
    return np.concatenate([rng.permutation(images) for _ in range(rounds)] or [images[:0]])[:n]
