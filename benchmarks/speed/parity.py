"""All contenders say the same of the same images, or their times are not worth comparing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ulna.types import Array

# Of the largest value of the reference where that is above 1. bf16 keeps eight bits.
TOLERANCES = {"fp32": 1e-3, "bf16": 1e-1}


def differences(
    message: Mapping[str, Mapping[str, Array]], reference: str
) -> dict[str, dict[str, float]]:
    """By contender and output, the largest difference from `reference`.

    said: by contender, arrays by output. Contenders that say nothing are not in the result.
    """
    wanted = message[reference]
    return {
        key: {name: _relative(wanted[name], values) for name, values in arrays.items()}
        for key, arrays in message.items()
        if key != reference and arrays
    }


def failures(result: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A line for every output that is farther away than its precision allows."""
    return [
        f"{key}: {name} differ by {error:.2g}, at most {tolerance_of(key):g}"
        for key, outputs in result.items()
        for name, error in outputs.items()
        if not error <= tolerance_of(key)  # also refuses nan
    ]


def tolerance_of(key: str) -> float:
    return TOLERANCES.get(key.split(":")[-1], TOLERANCES["fp32"])


def _relative(wanted: Array, result: Array) -> float:
    if wanted.shape != result.shape:
        return float("inf")
    return float(np.abs(wanted - result).max() / max(1.0, np.abs(wanted).max()))
