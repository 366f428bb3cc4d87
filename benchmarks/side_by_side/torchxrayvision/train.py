# The library has no training loop for data of one's own and no reader of them: torch and
# torchvision do it, with its network, its scale of grey values and its cropping.
import torch
import torchxrayvision as xrv
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose

prepare = Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)])
films = ImageFolder("films/train", loader=xrv.utils.load_image, transform=prepare)
model = xrv.models.DenseNet(weights=None, num_classes=1)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for film, label in DataLoader(films, batch_size=16, shuffle=True):
    loss = binary_cross_entropy_with_logits(model(film)[:, 0], label.float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(model.eval(), "xrv.pt")
