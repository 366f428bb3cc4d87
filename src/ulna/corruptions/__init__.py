"""Image corruptions between patient and network: pure, seeded changes of pixels."""

from __future__ import annotations

from ulna.corruptions.suite import CORRUPTIONS, Corruption, corrupted, suite_rows

__all__ = ["CORRUPTIONS", "Corruption", "corrupted", "suite_rows"]
