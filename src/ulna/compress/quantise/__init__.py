"""Quantisation of a bundle's graphs to int8, accepted only if they answer as the fp32 graphs."""

from __future__ import annotations

from ulna.compress.quantise.pipeline import QuantisePlan, quantise_bundle

__all__ = ["QuantisePlan", "quantise_bundle"]
