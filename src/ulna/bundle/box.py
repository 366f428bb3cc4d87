"""The bundle that comes with the package: a demonstration, learned from simulated films alone."""

from __future__ import annotations

from pathlib import Path

BOX_BUNDLE = Path(__file__).parent / "demonstration"
"""Its folder; written by scripts/box_bundle.sh, read and verified like any other bundle."""
