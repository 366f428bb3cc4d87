# The library has no maps of a classifier's answer: the package grad-cam makes one.
import matplotlib.pyplot as plt
import torch
import torchxrayvision as xrv
from pytorch_grad_cam import GradCAM
from torchvision.transforms import Compose

model = torch.load("xrv.pt", weights_only=False)
prepare = Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)])
film = torch.from_numpy(prepare(xrv.utils.load_image("film.png")))
(heat,) = GradCAM(model, [model.features.denseblock4])(film[None], targets=None)
plt.imshow(film[0], cmap="gray")
plt.imshow(heat, cmap="jet", alpha=0.4)
plt.savefig("heat_xrv.png")
