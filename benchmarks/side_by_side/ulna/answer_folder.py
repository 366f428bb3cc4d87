# A list of paths, one study for each: the folder itself would be one study of five views.
from pathlib import Path

import ulna

paths = sorted(Path("mixed").iterdir())
answers = ulna.load("runs/own/bundle").predict_each(paths)
for path, answer in zip(paths, answers, strict=True):
    print(path.name, answer if isinstance(answer, ulna.UlnaError) else answer.probability)
