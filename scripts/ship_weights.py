"""Put the trunk of a finished `pretrain` run into the package: scripts/ship_weights.py RUN."""

from __future__ import annotations

import sys
from pathlib import Path

from ulna.models.initial import write_shipped

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = write_shipped(Path(sys.argv[1]))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
