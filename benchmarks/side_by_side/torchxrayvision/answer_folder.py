from pathlib import Path

import torch
import torchxrayvision as xrv
from torchvision.transforms import Compose

model = torch.load("xrv.pt", weights_only=False)
prepare = Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)])
for path in sorted(Path("mixed").iterdir()):
    try:
        film = torch.from_numpy(prepare(xrv.utils.load_image(path)))
        with torch.inference_mode():
            print(path.name, model(film[None]).sigmoid().item())
    except (OSError, ValueError) as error:
        print(path.name, error)
