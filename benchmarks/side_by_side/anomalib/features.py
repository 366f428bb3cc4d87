# No function of the library gives features of films; its network has a part that does.
from pathlib import Path

import torch
from anomalib.data.utils import read_image
from anomalib.models import Padim

model = Padim.load_from_checkpoint("padim.ckpt", map_location="cpu").eval()
rows = []
for path in sorted(Path("films/valid").rglob("*.png")):
    film = model.pre_processor(read_image(path, as_tensor=True)[None])
    maps = model.model.feature_extractor(film).values()
    rows.append(torch.cat([m.mean((2, 3)) for m in maps], dim=1))
features = torch.cat(rows).detach().numpy()
print(features.shape)
