"""The acceptance test of graphs that were quantised to int8, stored in the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ulna.errors import BundleError

PROBABILITY_WITHIN = 0.02
"""Tolerated change of a study's probability, in at least SHARE_WITHIN of the studies."""
SHARE_WITHIN = 0.99
SCORE_WITHIN = 0.003
"""Tolerated change of AUROC and pointing game."""
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Quantisation:
    """Comparison ("gate") of int8 graphs with the fp32 graphs they come from, on held-out studies.

    n_images: training images used for the activation ranges. layers, left: by expert, how many
    convolutions are in int8 and how many stayed in fp32. engine: the inference engine. n_studies:
    held-out studies. change: quantiles ('0.50', '0.90', '0.99', '1.00') of the absolute change of a
    study's probability; within: share of studies within PROBABILITY_WITHIN. auroc, pointing: before
    and after; None if undefined (one class only; no localised findings).
    """

    method: str
    n_images: int
    layers: dict[str, int]
    left: dict[str, int]
    engine: str
    n_studies: int
    change: dict[str, float]
    within: float
    auroc: tuple[float, float] | None
    pointing: tuple[float, float] | None

    def __post_init__(self) -> None:
        if self.n_studies < 1 or self.n_images < 1 or not 0 <= self.within <= 1:
            raise BundleError(
                f"quantisation from {self.n_images} images on {self.n_studies} studies, "
                f"{self.within} within: expected some of both and a share"
            )

    @property
    def refusals(self) -> tuple[str, ...]:
        """The reasons for which the int8 graphs fail the acceptance test; empty if they pass."""
        reasons = []
        if not self.within >= SHARE_WITHIN:
            reasons.append(
                f"probability within {PROBABILITY_WITHIN} on {self.within:.1%} of studies, "
                f"expected {SHARE_WITHIN:.0%}"
            )
        for name, pair in (("AUROC", self.auroc), ("pointing game", self.pointing)):
            if pair is not None and not abs(pair[1] - pair[0]) <= SCORE_WITHIN + _ROUNDING:
                reasons.append(
                    f"{name} {pair[0]:.4f} became {pair[1]:.4f}, expected within {SCORE_WITHIN}"
                )
        return tuple(reasons)

    @property
    def accepted(self) -> bool:
        """Whether the int8 graphs passed the acceptance test."""
        return not self.refusals


def quantisation_lines(quantisation: Quantisation) -> Sequence[str]:
    """Describe the figures of the acceptance test, in three lines of text."""
    layers = ", ".join(
        f"{n} {k} of {k + quantisation.left[n]}" for n, k in quantisation.layers.items()
    )
    change = ", ".join(f"{q} {v:.4f}" for q, v in quantisation.change.items())
    scores = [
        f"{name} " + ("not known" if pair is None else f"{pair[0]:.4f} to {pair[1]:.4f}")
        for name, pair in (("AUROC", quantisation.auroc), ("pointing game", quantisation.pointing))
    ]
    return (
        f"int8: layers of {layers}; ranges of {quantisation.n_images} training images; "
        f"{quantisation.method}",
        f"change of probability on {quantisation.n_studies} held-out studies: within "
        f"{PROBABILITY_WITHIN} on {quantisation.within:.1%}; quantiles {change}",
        f"{', '.join(scores)}; engine {quantisation.engine}",
    )
