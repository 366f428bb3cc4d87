from pathlib import Path

import torch
import torchxrayvision as xrv
from torchvision.transforms import Compose

model = torch.load("xrv.pt", weights_only=False)
prepare = Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)])
paths = sorted(Path("films/valid").rglob("*.png"))
films = [torch.from_numpy(prepare(xrv.utils.load_image(path)))[None] for path in paths]
with torch.inference_mode():
    features = torch.cat([model.features2(film) for film in films]).numpy()
print(features.shape)
