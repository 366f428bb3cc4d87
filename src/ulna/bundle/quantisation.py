"""What became of a bundle whose graphs were quantised to int8; travels in its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ulna.errors import BundleError

PROBABILITY_WITHIN = 0.02
"""What a study's probability may change by ..."""
SHARE_WITHIN = 0.99
"""... in at least this share of the studies."""
SCORE_WITHIN = 0.003
"""What AUROC and pointing game may change by."""
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Quantisation:
    """The parity gate's figures: int8 beside the fp32 graphs it was made of, on held-out studies.

    n_images: training images that the ranges come from. layers: by expert, how many convolutions
    are int8; left: how many stayed fp32. engine: that answered. n_studies: held out. change:
    quantiles ('0.50', '0.90', '0.99', '1.00') of a study's |change of probability|; within: share
    of studies within 0.02. auroc, pointing: before and after; None where they cannot be known
    (one class; no place of a finding).
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
        """What keeps the int8 graphs from being accepted; empty if they are."""
        message = []
        if not self.within >= SHARE_WITHIN:
            message.append(
                f"probability within {PROBABILITY_WITHIN} on {self.within:.1%} of studies, "
                f"expected {SHARE_WITHIN:.0%}"
            )
        for name, pair in (("AUROC", self.auroc), ("pointing game", self.pointing)):
            if pair is not None and not abs(pair[1] - pair[0]) <= SCORE_WITHIN + _ROUNDING:
                message.append(
                    f"{name} {pair[0]:.4f} became {pair[1]:.4f}, expected within {SCORE_WITHIN}"
                )
        return tuple(message)

    @property
    def accepted(self) -> bool:
        """Whether the gate let them pass."""
        return not self.refusals


def quantisation_lines(result: Quantisation) -> Sequence[str]:
    """The figures in three lines, for people."""
    layers = ", ".join(f"{n} {k} of {k + result.left[n]}" for n, k in result.layers.items())
    change = ", ".join(f"{q} {v:.4f}" for q, v in result.change.items())
    scores = [
        f"{name} " + ("not known" if pair is None else f"{pair[0]:.4f} to {pair[1]:.4f}")
        for name, pair in (("AUROC", result.auroc), ("pointing game", result.pointing))
    ]
    return (
        f"int8: layers of {layers}; ranges of {result.n_images} training images; {result.method}",
        f"change of probability on {result.n_studies} held-out studies: within "
        f"{PROBABILITY_WITHIN} on {result.within:.1%}; quantiles {change}",
        f"{', '.join(scores)}; engine {result.engine}",
    )
