"""Run as a script by the kill tests: train_tiny.py IMAGES OUT [DEVICES]; prints every step."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if __name__ == "__main__":
    from dataclasses import replace

    import torch
    from tiny import make_recipe, make_studies

    from ulna.training import DataSource, train_run

    torch.set_num_threads(1)

    def tell(stage: str, done: int, total: int) -> None:
        if stage.startswith("train"):
            print(done, flush=True)

    # heads alone, then the encoder too, both on crops, then heads alone on whole images
    recipe = make_recipe()
    expert = replace(
        recipe.experts[0],
        epochs=4,
        crop_size=32,
        crop_share=0.7,
        train_encoder_on_whole=False,
        hard_negatives_every=1,
    )
    studies, out = make_studies(Path(sys.argv[1])), Path(sys.argv[2])
    devices = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    recipe = replace(recipe, experts=(expert,))
    train_run(recipe, studies, out, DataSource("table"), devices, tell)
