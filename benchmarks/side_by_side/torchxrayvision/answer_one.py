# With the library's own weights the line of torch.load is
# `model = xrv.models.DenseNet(weights="densenet121-res224-all")`.
import torch
import torchxrayvision as xrv
from torchvision.transforms import Compose

model = torch.load("xrv.pt", weights_only=False)
prepare = Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)])
film = torch.from_numpy(prepare(xrv.utils.load_image("film.png")))
with torch.inference_mode():
    print(model(film[None]).sigmoid().item())
