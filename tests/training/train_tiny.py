"""Run as a script by the kill test: train_tiny.py IMAGES OUT; prints every step."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if __name__ == "__main__":
    import torch
    from tiny import make_recipe, make_studies

    from ulna.training import train_run

    torch.set_num_threads(1)

    def tell(stage: str, done: int, total: int) -> None:
        if stage.startswith("train"):
            print(done, flush=True)

    train_run(
        make_recipe(), make_studies(Path(sys.argv[1])), Path(sys.argv[2]), "table", progress=tell
    )
