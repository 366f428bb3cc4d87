"""What a study's probability is compared with for its conformal p-values; in the manifest."""

from __future__ import annotations

from dataclasses import dataclass

from ulna.errors import BundleError


@dataclass(frozen=True)
class ConformalScores:
    """Calibrated probabilities of a body part's calibration studies by label, ascending."""

    normal: tuple[float, ...] = ()
    abnormal: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, values in (("normal", self.normal), ("abnormal", self.abnormal)):
            # Written so that nan fails too.
            ordered = all(a <= b for a, b in zip(values, values[1:], strict=False))
            if not (ordered and all(0 <= v <= 1 for v in values)):
                raise BundleError(
                    f"conformal scores of {name} studies: expected ascending probabilities"
                )
