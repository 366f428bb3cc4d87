from pathlib import Path

import ulna

paths = sorted(Path("films/valid").rglob("*.png"))
features = ulna.load("runs/own/bundle").features(paths)
print(features.shape)
