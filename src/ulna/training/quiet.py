"""Silence Lightning's remarks on hardware."""

from __future__ import annotations

import logging


def quiet_fabric() -> None:
    """Keep Lightning's remarks on hardware out of the terminal; errors still show."""
    import ulna.training.run  # noqa: F401  (imports Lightning, which sets up its loggers)

    # Fabric's remarks go through the logger of the Trainer's package.
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
