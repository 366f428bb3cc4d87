"""A bundle's graphs in int8, accepted only where they answer as the fp32 graphs do."""

from __future__ import annotations

from ulna.compress.quantise.pipeline import QuantisePlan, quantise_bundle

__all__ = ["QuantisePlan", "quantise_bundle"]
